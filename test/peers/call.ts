import { run } from '../../src/os/run.ts'

const never = new AbortController().signal

/** What a program printed. Throws what it said when it failed. The environment is this process's own, and what is given. */
export async function call(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly timeoutMs?: number } = {},
): Promise<string> {
  const { env = {}, timeoutMs = 120_000, ...rest } = options
  const inherited = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  const ended = await run(program, args, {
    ...rest,
    env: { ...inherited, LC_ALL: 'C.UTF-8', ...env },
    timeoutMs,
    signal: never,
  })
  if (ended.code === 0) return ended.stdout
  throw new CallFailed(
    `${program} ${args.join(' ')}: ${ended.timedOut ? 'timed out' : ended.code}`,
    `${ended.stdout}${ended.stderr}`,
  )
}

/** A program ended with another code than 0. */
export class CallFailed extends Error {
  readonly output: string

  constructor(what: string, output: string) {
    super(`${what}\n${output}`)
    this.name = 'CallFailed'
    this.output = output
  }
}

/** Whether a program can be started. */
export const has = (program: string): Promise<boolean> =>
  call(program, ['--version'], { timeoutMs: 20_000 }).then(
    () => true,
    () => false,
  )
