// The first program in a sandbox's namespaces: mounts what the command sees, makes that the root where asked, and becomes
// the next program. Plain JavaScript, because each RUN waits for it: stripping types would take longer than all the rest.
// Arguments: the file of an EnterSpec (enter-spec.ts). Its own environment is TOOL_ENV: nothing of an image steers it.
// @ts-check
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

const spec = /** @type {import('./enter-spec.ts').EnterSpec} */ (
  JSON.parse(readFileSync(String(process.argv[2]), 'utf8'))
)

/** @param {readonly string[]} args */
function mount(args) {
  const { status, error, stderr } = spawnSync(spec.mount, args, {
    cwd: spec.mountsFrom,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status === 0) return
  process.stderr.write(`naru: mount ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}\n`)
  process.exit(125)
}

mount(['--no-mtab', '--all', '--fstab', spec.mountTable])
if (spec.newRoot !== null) {
  process.chdir(spec.newRoot)
  mount(['--no-mtab', '--move', spec.newRoot, '/'])
}
try {
  writeFileSync('/proc/sys/kernel/hostname', spec.hostname)
} catch {
  // Only root may, and with an OCI runtime it is the runtime that does.
}
// Node ignores these two, and a program would inherit that: with its last listener the default comes back.
for (const signal of /** @type {const} */ (['SIGPIPE', 'SIGXFSZ'])) {
  const ignore = () => {}
  process.on(signal, ignore).off(signal, ignore)
}
const [program, ...args] = spec.chain
process.execve(String(program), [String(program), ...args], { ...spec.env })
