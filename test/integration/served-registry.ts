import type { CliStage } from './cli-stage.ts'

/** `naru registry serve` as a process of its own, on the data folder of a stage and a free port. */
export interface ServedRegistry extends AsyncDisposable {
  readonly url: string
  /** What it wrote when it served. */
  readonly serving: { readonly url: string; readonly socket: string }
  readonly ended: Promise<number | null>
  /** Waits until it has written a text to stderr. */
  told(text: string): Promise<unknown>
  /** What it wrote to stdout, once it has ended. */
  written(): string
  signal(name: NodeJS.Signals): void
  /** SIGTERM; answers its exit code. */
  end(): Promise<number | null>
}

export async function aServedRegistry(stage: CliStage, args: readonly string[] = []): Promise<ServedRegistry> {
  const running = stage.start(['registry', 'serve', '--listen', '127.0.0.1:0', '-o', 'json', ...args])
  const line = await running.said('"kind":"serving"')
  const serving = JSON.parse(line) as ServedRegistry['serving']
  let written = ''
  const ended = running.ended.then(({ code, stdout }) => {
    written = stdout
    return code
  })
  const end = () => {
    running.child.kill('SIGTERM')
    return ended
  }
  return {
    url: serving.url,
    serving,
    ended,
    told: (text) => running.told(text),
    written: () => written,
    signal: (name) => void running.child.kill(name),
    end,
    [Symbol.asyncDispose]: async () => void (await end()),
  }
}

export const basic = (user: string, password: string) => ({ Authorization: `Basic ${btoa(`${user}:${password}`)}` })
