import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from '../../../src/os/run.ts'

const KERNEL = '/usr/bin/linux.uml'
const canBoot = process.getuid?.() === 0 && existsSync(KERNEL)
const SHOWN = [
  ...['want of memory', 'cannot fill the machine', 'is inside while the action runs'],
  ...['a RUN by namespaces .*is held to its limits', 'a RUN by runc .*is held to its limits'],
  ...(existsSync('/usr/bin/crun') ? ['RUN by crun .*more memory than it may'] : []),
]
const DEADLINE_MS = 400_000

/**
 * Machines of today have version 2, this one may have version 1 only. A kernel that runs as a program has both: the same
 * tests of limits, of what the kernel kills, and of what is left, on the other version.
 */
it.skipIf(!canBoot)(
  'cgroups of version 2 hold replicas and RUNs to their limits as those of version 1 do (left out without root and user-mode-linux)',
  { timeout: DEADLINE_MS + 20_000 },
  async ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), 'naru-uml-'))
    try {
      const { stdout, stderr } = await boot(folder)
      if (!stdout.includes('guest: up')) skip(`this machine does not let the kernel boot: ${stderr.slice(-300)}`)
      expect(stdout).toContain('guest: ended with 0')
      for (const name of SHOWN) expect(stdout).toMatch(new RegExp(`✓ .*${name}`))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

function boot(folder: string) {
  const node = process.execPath
  const path = [dirname(node), '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':')
  const machine = ['mem=800M', 'rootfstype=hostfs', 'rootflags=/', 'ro', 'quiet', `uml_dir=${folder}`, 'umid=naru']
  const console = ['con=null', 'con0=fd:0,fd:1']
  // What the kernel does not know and has a `=` becomes PID 1's environment, what stands behind `--` its arguments.
  const init = [`PATH=${path}`, `NODE=${node}`, `init=${node}`, '--', join(import.meta.dirname, 'guest.ts')]
  return run(KERNEL, [...machine, ...console, ...init], {
    env: { PATH: path, TMPDIR: folder, HOME: folder },
    timeoutMs: DEADLINE_MS,
    signal: new AbortController().signal,
  })
}
