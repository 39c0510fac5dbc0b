import type { CliHost } from './cli/host.ts'
import { dataFolder } from './main/data-folder.ts'
import { repositoryHost } from './main/repository.ts'
import { VERSION } from './main/version.ts'

/** What the command line is given; each part is loaded when it is asked for, so that `naru version` is instant. */
const hostFor = (args: readonly string[]): CliHost => ({
  version: VERSION,
  dataFolder: (asked) => dataFolder(asked, process.env),
  runningServer: async (folder) => (await import('./main/running-server.ts')).runningServer(folder),
  startServer: async (folder, signal) => (await import('./main/running-server.ts')).startServer(folder, signal),
  openServer: async (options) => (await import('./main/open-server.ts')).openServer(options),
  serveRegistry: async (options) => (await import('./main/serve-registry.ts')).serveRegistry(options),
  registryElsewhere: async (registry) => (await import('./main/registry-elsewhere.ts')).registryElsewhere(registry),
  registryAccounts: async (folder) => (await import('./main/registry-accounts.ts')).registryAccounts(folder),
  keepRegistry: async function* (...args) {
    yield* (await import('./main/keep-registry.ts')).keepRegistry(...args)
  },
  endFolder: async (folder, graceMs, signal) =>
    (await import('./main/end-folder.ts')).endFolder(folder, graceMs, signal),
  repository: repositoryHost(dataFolder(dataAsked(args), process.env)),
  logIn: async (...args) => (await import('./main/logins.ts')).logIn(...args),
  logOut: async (...args) => (await import('./main/logins.ts')).logOut(...args),
  async *doctor(folder, signal) {
    yield* (await import('./main/doctor.ts')).doctor(folder, signal)
  },
})

/** `--data` before the command line is parsed: where git may keep what it reads. */
function dataAsked(args: readonly string[]): string | null {
  const at = args.findIndex((arg) => arg === '--data' || arg.startsWith('--data='))
  if (at < 0) return null
  return args[at]?.startsWith('--data=') ? (args[at]?.slice('--data='.length) ?? null) : (args[at + 1] ?? null)
}

const LINGER_MS = 5000

/** Runs one command and answers its exit code by ending the process. `takeOver`: from then on signals are ours. */
export async function main(args: readonly string[], takeOver: () => void): Promise<void> {
  const { Interrupts } = await import('./cli/interrupts.ts')
  const interrupts = new Interrupts()
  // Up to the end of the process: a second Ctrl-C must not kill it while it tells how it ended.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupts.interrupt)
  takeOver()
  const { runProgram } = await import('./cli/program.ts')
  process.exitCode = await runProgram(args, hostFor(args), interrupts)
  // Everything is closed by now; who does not read what was told is not waited for without end.
  setTimeout(() => process.exit(), LINGER_MS).unref()
  await Promise.all([process.stdout, process.stderr].map(written))
  // A Node that ends by itself gives the signals back first: one more Ctrl-C would decide the exit code.
  process.exit()
}

/** Resolves when a stream has handed over what it was given, or can not. */
const written = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve()
    else stream.write('', () => resolve())
  })
