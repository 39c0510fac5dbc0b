/** Shorter ones stand in too many words to be hidden. */
const SHORTEST = 4

/** Takes the values of secrets out of lines of output, each line of one that has several. */
export function redactor(secrets: readonly string[]): (line: string) => string {
  const values = secrets
    .flatMap((secret) => secret.split('\n'))
    .map((value) => value.trim())
    .filter((value) => value.length >= SHORTEST)
    .sort((a, b) => b.length - a.length)
  return (line) => values.reduce((text, value) => text.replaceAll(value, '***'), line)
}
