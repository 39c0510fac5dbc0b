// The first program in a sandbox's namespaces: mounts what the command sees, makes that the root where asked, and becomes
// the next program. Plain JavaScript, because each RUN waits for it: stripping types would take longer than all the rest.
// Arguments: the file of an EnterSpec (enter-spec.ts). Secrets come by stdin and go to memory only. Its own environment is
// TOOL_ENV: nothing of an image steers it.
// @ts-check
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'

const spec = /** @type {import('./enter-spec.ts').EnterSpec} */ (
  JSON.parse(readFileSync(String(process.argv[2]), 'utf8'))
)
const secrets = /** @type {import('./enter-spec.ts').EnterSecrets} */ (JSON.parse(readFileSync(0, 'utf8')))

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

/**
 * Where a path of the image leads, links followed inside its root: the kernel would follow them from the machine's root,
 * which is this process's until the change of root. Nothing else runs in here yet, so what is read stays true.
 * @param {string} root @param {string} path
 */
function insideRoot(root, path) {
  const left = path.split('/').reverse()
  /** @type {string[]} */
  let at = []
  for (let links = 0; left.length > 0 && links < 40; ) {
    const part = left.pop() ?? ''
    if (part === '' || part === '.') continue
    if (part === '..') {
      at = at.slice(0, -1)
      continue
    }
    const next = [...at, part]
    const found = lstatSync([root, ...next].join('/'), { throwIfNoEntry: false })
    if (found?.isSymbolicLink() === true) {
      links += 1
      const target = readlinkSync([root, ...next].join('/'))
      if (target.startsWith('/')) at = []
      left.push(...target.split('/').reverse())
    } else at = next
  }
  return at.join('/')
}

process.umask(0o022)
// Before all else: what is in it ends with these namespaces.
mount(['--no-mtab', '-t', 'tmpfs', '-o', 'mode=0755,nosuid,nodev', 'private', spec.privateFolder])
for (const { name, mode, uid, gid, value } of secrets.files) {
  const path = `${spec.privateFolder}/${name}`
  writeFileSync(path, value, { mode: 0o600 })
  chownSync(path, uid, gid)
  chmodSync(path, mode)
}
mount(['--no-mtab', '--all', '--fstab', spec.mountTable])
const cwd = insideRoot(spec.root, spec.cwd)
// Links of /proc lead to wherever a process has something open (CVE-2024-21626).
if (/^(proc|sys|dev)(\/|$)/.test(cwd)) {
  process.stderr.write(`naru: /${cwd} cannot be the folder of a RUN\n`)
  process.exit(125)
}
if (spec.newRoot !== null) {
  process.chdir(spec.newRoot)
  mount(['--no-mtab', '--move', spec.newRoot, '/'])
}
if (spec.bundle !== null) {
  const variables = Object.entries({ ...spec.env, ...secrets.env }).map(([name, value]) => `${name}=${value}`)
  const config = { ...spec.bundle, process: { ...spec.bundle.process, env: variables } }
  writeFileSync(`${spec.privateFolder}/config.json`, JSON.stringify(config), { mode: 0o600 })
}
try {
  if (spec.newRoot !== null) writeFileSync('/proc/sys/kernel/hostname', spec.hostname)
} catch {
  // The name is for people.
}
// Node ignores these two, and a program would inherit that: with its last listener the default comes back.
for (const signal of /** @type {const} */ (['SIGPIPE', 'SIGXFSZ'])) {
  const ignore = () => {}
  process.on(signal, ignore).off(signal, ignore)
}
const [program, ...args] = spec.chain.map((word) => (word === '--wd' ? `--wd=./${cwd}` : word))
const env = spec.bundle === null ? { ...spec.env, ...secrets.env } : spec.own
process.execve(String(program), [String(program), ...args], { ...env })
