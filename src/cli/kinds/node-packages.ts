import type { ProjectFiles } from './kind.ts'
import { asRecord, parseJson } from './manifest.ts'

const NEWEST_LTS = 24

/** How the packages of a Node project are installed. */
export interface NodeInstall {
  /** Files that say which packages. */
  readonly manifests: readonly string[]
  readonly isLocked: boolean
  /** The manifests are in several folders: all sources are needed before. */
  readonly isWorkspace: boolean
  /** Commands: with what only a build needs, without it, and taking that away again. */
  readonly whole: string
  readonly production: string
  readonly prune: string
  /** The folder that the package manager keeps downloads in. */
  readonly cache: string
}

/** By the lock file that is there: npm, pnpm or yarn. */
export function nodeInstall({ names, texts }: ProjectFiles): NodeInstall {
  const manifest = parseJson(texts['package.json'] ?? '') ?? {}
  const has = (name: string) => names.includes(name)
  const isWorkspace = manifest.workspaces !== undefined || has('pnpm-workspace.yaml')
  const found = (...all: readonly string[]) => ({ manifests: ['package.json', ...all.filter(has)], isWorkspace })
  if (has('pnpm-lock.yaml')) {
    const pnpm = `npx --yes ${pinned(manifest, 'pnpm')}`
    return {
      ...found('pnpm-lock.yaml', '.npmrc'),
      isLocked: true,
      whole: `${pnpm} install --frozen-lockfile --store-dir /cache/pnpm`,
      production: `${pnpm} install --frozen-lockfile --prod --store-dir /cache/pnpm`,
      prune: `CI=true ${pnpm} prune --prod`,
      cache: '/cache/pnpm',
    }
  }
  if (has('yarn.lock')) {
    const yarn = 'YARN_CACHE_FOLDER=/cache/yarn yarn install --frozen-lockfile --non-interactive'
    return {
      ...found('yarn.lock', '.npmrc', '.yarnrc'),
      isLocked: true,
      whole: yarn,
      production: `${yarn} --production`,
      prune: `${yarn} --production --ignore-scripts --prefer-offline`,
      cache: '/cache/yarn',
    }
  }
  const isLocked = has('package-lock.json') || has('npm-shrinkwrap.json')
  const npm = `npm ${isLocked ? 'ci' : 'install'} --no-audit --no-fund`
  return {
    ...found('package-lock.json', 'npm-shrinkwrap.json', '.npmrc'),
    isLocked,
    whole: npm,
    production: `${npm} --omit=dev`,
    prune: 'npm prune --omit=dev --no-audit --no-fund',
    cache: '/root/.npm',
  }
}

/** The official image for the version that .nvmrc, .node-version or `engines.node` ask for. */
export function nodeImage({ texts }: ProjectFiles): string {
  const written = texts['.nvmrc'] ?? texts['.node-version']
  const major = Number(/^v?(\d+)/.exec(written?.trim() ?? '')?.[1] ?? 0)
  if (major > 0) return `node:${major}-slim`
  const engines = asRecord(parseJson(texts['package.json'] ?? '')?.engines)?.node
  const [, sign = '', from = ''] = /^\s*([\^~]|>=|>)?\s*v?(\d+)/.exec(typeof engines === 'string' ? engines : '') ?? []
  if (from === '') return `node:${NEWEST_LTS}-slim`
  const least = Number(from)
  const isOpen = sign.startsWith('>') && !/</.test(String(engines))
  return `node:${isOpen ? Math.max(least, NEWEST_LTS) : least}-slim`
}

/** `packageManager` of package.json names the version. */
function pinned(manifest: Readonly<Record<string, unknown>>, name: string): string {
  const { packageManager } = manifest
  const [, version] = typeof packageManager === 'string' ? (/^\w+@([\d.]+)/.exec(packageManager) ?? []) : []
  return version === undefined ? name : `${name}@${version}`
}
