// The first program in a replica's namespaces: mounts what it sees, makes that the root, and becomes the program. Plain
// JavaScript, because each start waits for it: stripping types would take 35 ms of 65. Arguments: the file of an EnterSpec
// (enter-spec.ts). It runs with an environment of its own: what the image says must not steer this Node or the tools behind it.
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
process.chdir(spec.root)
mount(['--no-mtab', '--move', spec.root, '/'])
try {
  writeFileSync('/proc/sys/kernel/hostname', spec.hostname)
} catch {
  // Only root may; the name is for people.
}
// Node ignores these two, and a program would inherit that: with its last listener the default comes back.
for (const signal of /** @type {const} */ (['SIGPIPE', 'SIGXFSZ'])) {
  const ignore = () => {}
  process.on(signal, ignore).off(signal, ignore)
}
const kept = Object.entries(process.env).filter(([name]) => !spec.own.includes(name))
const [program, ...args] = spec.chain
process.execve(String(program), [String(program), ...args], { ...Object.fromEntries(kept), ...spec.env })
