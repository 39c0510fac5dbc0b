import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { call } from './call.ts'

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'naru-peers')
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/**
 * Packages of another release of Debian, unpacked into a folder beside the system's and kept there: programs to compare
 * with, newer than this machine's. From the mirror that this machine's apt reaches, signatures checked by apt. Remove the
 * folder to fetch what is newest.
 */
export async function debianPackages(suite: string, packages: readonly string[]): Promise<string> {
  const name = `${suite}-${shortened(packages.join('-'))}`
  const folder = join(CACHE, name)
  if (await exists(folder)) return folder
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, `.${name}-`))
  try {
    await fetchAndUnpack(work, suite, packages)
    await rename(join(work, 'root'), folder).catch(async (failed: unknown) => {
      // Somebody else was first.
      if (!(await exists(folder))) throw failed
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return folder
}

async function fetchAndUnpack(work: string, suite: string, packages: readonly string[]): Promise<void> {
  const mirror = (await call('apt-get', ['indextargets', '--format', '$(SITE)', 'Origin: Debian'])).split('\n')[0]
  if (mirror === undefined || mirror === '') throw new Error('apt names no mirror of Debian')
  for (const each of ['state/lists/partial', 'cache/archives/partial', 'root']) {
    await mkdir(join(work, each), { recursive: true })
  }
  await writeFile(join(work, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`)
  await writeFile(join(work, 'state/status'), '')
  const settings = {
    'Dir::Etc::SourceList': join(work, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::Etc::Preferences': '-',
    'Dir::Etc::PreferencesParts': '-',
    'Dir::State': join(work, 'state'),
    'Dir::State::Status': join(work, 'state/status'),
    'Dir::Cache': join(work, 'cache'),
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  }
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  await call('apt-get', [...options, '-q', 'update'], { timeoutMs: 240_000 })
  await call('apt-get', [...options, '-q', 'download', ...packages], { cwd: work, timeoutMs: 240_000 })
  for (const file of (await readdir(work)).filter((one) => one.endsWith('.deb'))) {
    await call('dpkg-deb', ['-x', join(work, file), join(work, 'root')])
  }
}

/** A name of a file has 255 bytes. */
const shortened = (name: string): string =>
  name.length <= 100 ? name : `${name.slice(0, 60)}-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
