/**
 * PID 1 of a User Mode Linux whose root folder is this machine's own, read-only: `node guest.ts`. Gives the guest what a
 * system has, runs the tests that need a hierarchy of version 2, says how they ended, and switches the guest off.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'

const CHECKOUT = join(import.meta.dirname, '..', '..', '..')
/** No checkout lies below it, so nothing is hidden by what is mounted there. */
const SCRATCH = '/dev/shm'
const FILES = [
  'src/os/cgroup.test.ts',
  'src/engines/embedded/roots',
  'src/engines/embedded/keeper/keeper-process.test.ts',
  'src/build/run/limits.test.ts',
  'src/build/sandbox/sandbox.test.ts',
]
/** Quick enough for a kernel in which each system call takes some microseconds more. */
const NAMES = [
  ...['cgroups ', 'cannot fill the machine', 'for want of memory', 'is held to its limits by the kernel'],
  // It starts on no machine that has both versions.
  'RUN by crun.*(which is not there|more memory)',
].join('|')

execFileSync('mount', ['-t', 'proc', 'proc', '/proc'])
execFileSync('mount', ['-t', 'sysfs', 'sysfs', '/sys'])
execFileSync('mount', ['-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup'])
// Of this kernel it is a module, and only busybox is sure to have the program that loads one.
const overlay = join('/usr/lib/uml/modules', release(), 'kernel/fs/overlayfs/overlay.ko')
if (existsSync(overlay)) spawnSync('busybox', ['insmod', overlay], { stdio: 'inherit' })
mkdirSync(SCRATCH, { recursive: true })
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300m', 'tmpfs', SCRATCH])
process.stdout.write('\nguest: up\n')

// Which program it is PID 1 cannot know, having begun without /proc.
const vitest = join(CHECKOUT, 'node_modules', 'vitest', 'vitest.mjs')
// The checkout cannot be written to here: nothing is cached, and the settings are read without being compiled to a file.
const options = [
  '--configLoader=runner',
  '--no-cache',
  '--reporter=verbose',
  '--no-color',
  '--maxWorkers=1',
  '--testTimeout=120000',
]
const { status, signal, error } = spawnSync(
  process.env.NODE ?? '',
  [vitest, 'run', ...options, ...FILES, '--testNamePattern', NAMES],
  {
    cwd: CHECKOUT,
    env: { ...process.env, HOME: SCRATCH, TMPDIR: SCRATCH },
    stdio: 'inherit',
  },
)
process.stdout.write(`\nguest: ended with ${status ?? signal ?? error?.message}\n`)
writeFileSync('/proc/sysrq-trigger', 'o')
// The end of PID 1 would be a panic: it waits for the power to go.
setInterval(() => {}, 1000)
