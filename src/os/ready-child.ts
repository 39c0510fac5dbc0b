import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { openLog } from './open-log.ts'

/**
 * Starts a program in a session of its own, with a channel to it, and waits for its first message: it is ready. Rejects with an
 * Error that says why it was not after `timeoutMs`; then it is killed. `log`: the file to which it writes.
 */
export async function startReady(command: readonly string[], log: string, timeoutMs: number): Promise<ChildProcess> {
  const [program = '', ...args] = command
  const file = openLog(log)
  const child = spawn(program, args, { detached: true, stdio: ['ignore', file, file, 'ipc'], cwd: '/' })
  closeSync(file)
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(why))
    }
    const timer = setTimeout(() => fail(`it was not ready after ${timeoutMs} ms`), timeoutMs)
    child.once('error', (failed) => fail(failed.message))
    child.once('exit', (code, signal) => fail(`it ended with ${signal ?? code}`))
    child.once('message', () => {
      clearTimeout(timer)
      child.removeAllListeners('exit')
      resolve(child)
    })
  })
}
