import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasBusybox } from '../run/testing.ts'
import { never } from '../testing.ts'
import { RUNTIMES, type RuntimeName, whyNot } from './find-runtime.ts'
import { findPrivileges } from './privileges.ts'
import { describeSandbox } from './sandbox.contract.ts'
import { attempt, canLimitMemory } from './testing.ts'
import { findTools } from './tools.ts'

const tools = findTools(process.env.PATH ?? '')
const unable = !hasBusybox ? 'needs busybox' : process.geteuid?.() === 0 ? null : 'needs root'

async function missingRuntime(name: RuntimeName): Promise<string | null> {
  const path = tools[name]
  if (unable !== null || path === null) return unable ?? `needs ${name}`
  const work = mkdtempSync(join(tmpdir(), 'naru-runtime-'))
  try {
    const why = await whyNot(path, work, findPrivileges(tools), never)
    return why === null ? null : `${name} does not start here: ${why}`
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const limitsMemory = unable === null && (await canLimitMemory())
describeSandbox('namespaces', {
  ...{ missing: unable, limitsMemory, filters: false },
  attempt: (trial) => attempt(trial, { runtimes: [] }),
})
for (const name of RUNTIMES) {
  describeSandbox(name, {
    ...{ missing: await missingRuntime(name), limitsMemory, filters: true },
    attempt: (trial) => attempt(trial, { runtimes: [name] }),
  })
}
