import { statSync } from 'node:fs'
import { run } from '../../../../os/run.ts'
import type { Program } from '../image/find-program.ts'
import { hostPath } from './launch-none.ts'
import { TOOL_ENV } from './tools.ts'

/** Whether this machine's own loader finds all that a program needs, at the versions that it needs. */
export async function fitsHost(program: Program, root: string): Promise<boolean> {
  const machine = program.script === null ? program : program.script.interpreter
  if (machine.script !== null) return fitsHost(machine, root)
  if (machine.loader === null || statSync(machine.loader, { throwIfNoEntry: false }) === undefined) return false
  const options = { env: TOOL_ENV, timeoutMs: 10_000, signal: new AbortController().signal }
  const { code, stdout } = await run(machine.loader, ['--list', hostPath(root, machine)], options)
  return code === 0 && !stdout.includes('not found')
}
