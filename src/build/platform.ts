import type { Platform } from '../model/descriptor.ts'

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  ia32: '386',
  i386: '386',
}

/** What this machine runs. Go's names, as the image specification asks. */
export const hostPlatform = (arch: string = process.arch): Platform => ({
  os: 'linux',
  architecture: ARCHITECTURES[arch] ?? arch,
})

const OWN_VARIANT: Readonly<Record<string, string>> = { arm64: 'v8', amd64: 'v1' }

/** Reads `os/architecture[/variant]`, one of the first two alone too, with the usual other names of architectures; null: it is none. */
export function parsePlatform(text: string): Platform | null {
  const [os = '', arch = '', variant, ...more] = completed(text.toLowerCase()).split('/')
  if (more.length > 0 || !/^[a-z0-9_]+$/.test(os) || !/^[a-z0-9_-]+$/.test(arch)) return null
  const architecture = ARCHITECTURES[arch] ?? arch
  const known = variant === undefined || OWN_VARIANT[architecture] === variant
  return known ? { os, architecture } : { os, architecture, variant }
}

/** containerd's rule for one word: a system of this machine's architecture, or an architecture with Linux. */
function completed(text: string): string {
  if (text === 'linux') return `linux/${hostPlatform().architecture}`
  const architecture = ARCHITECTURES[text] ?? text
  return KNOWN.has(architecture) ? `linux/${architecture}` : text
}

const KNOWN = new Set(['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips64le', 'ppc64le', 'riscv64', 's390x'])
