/**
 * `npm run conformance`: the OCI distribution specification's own conformance suite against the registry of `naru server`, with every optional part,
 * for 1.1 and for the development version. Builds the suite with Go once (the version is pinned); without Go it says so and is left out.
 * Exit 0 only when every case passed and none was left out: the suite's own exit code is 0 also for what it skips.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from '../demo/child.ts'
import { NARU } from '../demo/naru.ts'
import { junitCounts } from './junit-counts.ts'

const VERSION = 'v0.0.0-20260831232431-97274622c111'
const SUITE = `github.com/opencontainers/distribution-spec/conformance@${VERSION}`
const START_MS = 60_000
const CLOSE_MS = 10_000
/** Twenty seconds on a quiet machine. */
const RUN_MS = 300_000

/** What the suite leaves out unless it is asked for. */
const EVERYTHING = {
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_TAG_PARAM: 'true',
  OCI_DATA_SPARSE: 'true',
}

/** Path of the suite's program, built when it is not there yet; null: this machine has no Go. */
function suite(): string | null {
  const bin = join(import.meta.dirname, '../../node_modules/.cache/naru-conformance', VERSION)
  const program = join(bin, 'conformance')
  if (existsSync(program)) return program
  if (spawnSync('go', ['version']).status !== 0) return null
  mkdirSync(bin, { recursive: true })
  process.stderr.write('building the conformance suite\n')
  execFileSync('go', ['install', SUITE], {
    env: { ...process.env, GOBIN: bin, CGO_ENABLED: '0' },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return program
}

/** One run of the suite against a server of its own. Answers whether all of it passed. */
async function conforms(program: string, version: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'naru-conformance-'))
  const data = join(folder, 'data')
  const args = [NARU, 'server', '--data', data, '--listen', '127.0.0.1:0', '--output', 'json']
  const server = new Child(args, { PATH: process.env.PATH ?? '', HOME: folder }, folder)
  try {
    const serving = JSON.parse(await server.line(START_MS, AbortSignal.timeout(START_MS))) as { readonly url: string }
    const started = Date.now()
    const ran = spawnSync(program, [], {
      cwd: folder,
      timeout: RUN_MS,
      encoding: 'utf8',
      env: {
        ...EVERYTHING,
        PATH: process.env.PATH,
        OCI_REGISTRY: new URL(serving.url).host,
        OCI_TLS: 'disabled',
        OCI_VERSION: version,
        OCI_USERNAME: 'naru',
        OCI_PASSWORD: readFileSync(join(data, 'token'), 'utf8').trim(),
        OCI_RESULTS_DIR: join(folder, 'results'),
      },
    })
    const { passed, failed, leftOut } = junitCounts(readFileSync(join(folder, 'results', 'junit.xml'), 'utf8'))
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    const counts = `${passed} passed, ${failed.length} failed, ${leftOut.length} left out`
    process.stdout.write(`OCI distribution conformance ${version}: ${counts} (${seconds} s)\n`)
    for (const name of [...failed, ...leftOut]) process.stdout.write(`  ${name}\n`)
    return ran.status === 0 && passed > 0 && failed.length + leftOut.length === 0
  } finally {
    await server.end('SIGTERM', CLOSE_MS)
    rmSync(folder, { recursive: true, force: true })
  }
}

const program = suite()
if (program === null) process.stdout.write('OCI distribution conformance: left out, this machine has no Go\n')
else {
  const results: boolean[] = []
  for (const version of ['1.1', 'dev']) results.push(await conforms(program, version))
  process.exitCode = results.every(Boolean) ? 0 : 1
}
