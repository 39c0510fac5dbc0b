import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'vitest'

/** A daemon of a client, in the foreground of its own folder; `answers` tells when it can be used. */
export async function aDaemon(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  answers: () => Promise<boolean>,
): Promise<{ readonly starts: boolean } & AsyncDisposable> {
  const daemon = spawn(program, args, { env: { ...env }, stdio: 'ignore' })
  const ended = once(daemon, 'exit')
  const starts = await expect
    .poll(async () => daemon.exitCode !== null || (await answers()), { timeout: 30_000, interval: 250 })
    .toBe(true)
    .then(
      () => daemon.exitCode === null,
      () => false,
    )
  return {
    starts,
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGTERM')
      await ended
    },
  }
}
