import { readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, rootCertificates } from 'node:tls'
import { invalid } from './host-settings.ts'
import type { Environment } from './proxy-for.ts'

/** Whom to trust beyond the machine's authorities, and how to show who we are. All PEM. */
export interface Certificates {
  readonly authorities: readonly string[]
  readonly client: { readonly cert: string; readonly key: string } | null
}

/** What was set for a registry: `ca` of its settings, and the folders where Docker and podman look (`certs.d/HOST/*.crt`, `*.cert` with `*.key`). */
export async function readCertificates(host: string, caFile: string | null, env: Environment): Promise<Certificates> {
  const authorities = caFile === null ? [] : [await readPem(caFile)]
  let client: Certificates['client'] = null
  for (const folder of certificateFolders(host, env)) {
    const names = await namesIn(folder)
    for (const name of names.filter((each) => each.endsWith('.crt')))
      authorities.push(await readPem(join(folder, name)))
    const cert = names.find((name) => name.endsWith('.cert'))
    if (client !== null || cert === undefined) continue
    const key = cert.replace(/cert$/, 'key')
    client = { cert: await readPem(join(folder, cert)), key: await readPem(join(folder, key)) }
  }
  return { authorities, client }
}

/** Where Docker (as root and rootless) and podman keep the certificates of a registry. */
function certificateFolders(host: string, env: Environment): readonly string[] {
  const config = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config')
  const name = host === 'registry-1.docker.io' ? 'docker.io' : host
  return [join(config, 'containers'), join(config, 'docker'), '/etc/containers', '/etc/docker'].map((folder) =>
    join(folder, 'certs.d', name),
  )
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (failed) {
    const code = (failed as NodeJS.ErrnoException).code
    // One that only root may look into says nothing to others: Docker's daemon has it, not this user.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return []
    throw failed
  }
}

const readPem = (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    (text) => {
      if (text.includes('-----BEGIN ')) return text
      throw invalid(`${path} holds no certificate or key in PEM`)
    },
    (failed: NodeJS.ErrnoException) => {
      throw invalid(`${path} cannot be read: ${failed.code}`)
    },
  )

/** Where distributions keep the authorities that the machine trusts; one of them is there. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** The authorities that this machine trusts, as Docker sees it: the system's bundle (SSL_CERT_FILE), else Node's, and NODE_EXTRA_CA_CERTS. */
export async function machineAuthorities(env: Environment): Promise<readonly string[]> {
  const extra = getCACertificates('extra')
  for (const path of env.SSL_CERT_FILE ? [env.SSL_CERT_FILE] : BUNDLES) {
    const text = await readFile(path, 'utf8').catch(() => '')
    if (text.includes('-----BEGIN ')) return [text, ...extra]
  }
  return [...rootCertificates, ...extra]
}
