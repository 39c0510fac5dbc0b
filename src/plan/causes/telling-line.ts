/** Where a runtime names what ended it, at the beginning of a line: `TypeError: …`, `java.lang.IllegalStateException: …`, `panic: …`. */
const NAMED =
  /^(?:Uncaught |Unhandled |Caused by: |Exception in thread "[^"]*" )?(?:[\w.$]*(?:Error|Exception)\b|panic:|fatal(?: error)?:|thread '.*' panicked at)/i
/** Where a program complains in its own words. */
const SAID = /\b(?:errors?|exception|fatal|panic(?:ked)?|critical|cannot|could not|failed|denied|not found)\b/i
/** Lines that belong to another one: frames of a stack, marks under a source line, the version that Node ends with. */
const BELONGS = /^\s|^$|^[\^~}\])]+$|^Node\.js v\d/

/** A line may be a whole document. */
const MOST_OF_LINE = 300
/** Colours, and whatever else would steer the terminal of its reader. */
const COLOUR = /\p{Cc}\[[\d;]*m/gu
const CONTROL = /(?!\t)\p{Cc}/gu

/**
 * The line of a log's end that tells why its program ended: the last one by which a runtime names an error (what ended it is
 * reported last), else the last complaint, else the last line that stands for itself. Its beginning, as plain text. null: there is
 * no line.
 */
export function tellingLine(logTail: readonly string[]): string | null {
  const plain = logTail.map((line) =>
    line
      .slice(0, 2 * MOST_OF_LINE)
      .replaceAll(COLOUR, '')
      .replaceAll(CONTROL, ' '),
  )
  const own = plain.filter((line) => !BELONGS.test(line))
  const last = (pattern: RegExp) => own.findLast((line) => pattern.test(line))
  const found = last(NAMED) ?? last(SAID) ?? own.at(-1) ?? plain.at(-1)
  return found?.slice(0, MOST_OF_LINE) ?? null
}
