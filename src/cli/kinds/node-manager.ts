import type { ProjectFiles } from './kind.ts'
import type { Manifest } from './manifest.ts'

/** npm, pnpm or yarn, and how it is told what to install. */
export interface NodeManager {
  /** Lines of the Dockerfile that bring it. npm is in the image; the others are not, or not from Node 25 on. */
  readonly setup: readonly string[]
  /** Files besides package.json that say which packages, where they are there. */
  readonly manifests: readonly string[]
  readonly isLocked: boolean
  /** The manifests are in several folders, or it reads more of the project. */
  readonly isWorkspace: boolean
  /** Commands: with what only a build needs, without it, and the script `build`. */
  readonly whole: string
  readonly production: string
  readonly build: string
  /** The mount that it keeps downloads in. */
  readonly cache: string
  readonly notes: readonly string[]
}

/** What npm has of it under its own name is an old one. */
const YARN_CLASSIC = '1.22.22'
/** In place of .yarnrc.yml: packages in node_modules, and this version, not one that is committed. */
const YARN_SETTINGS =
  'ENV YARN_NODE_LINKER=node-modules YARN_IGNORE_PATH=1 YARN_ENABLE_GLOBAL_CACHE=1 YARN_GLOBAL_FOLDER=/cache/yarn YARN_ENABLE_TELEMETRY=0'

/** By the lock file that is there. */
export function nodeManager(files: ProjectFiles, manifest: Manifest): NodeManager {
  if (files.names.includes('pnpm-lock.yaml')) return pnpm(files, manifest)
  if (!files.names.includes('yarn.lock')) return npm(files, manifest)
  const version = wantedVersion(manifest, 'yarn')
  const isClassic = version === null ? !files.names.includes('.yarnrc.yml') : version.startsWith('1.')
  return isClassic ? yarnClassic(manifest, version ?? YARN_CLASSIC) : yarnModern(files, manifest, version)
}

function npm({ names }: ProjectFiles, manifest: Manifest): NodeManager {
  const manifests = ['package-lock.json', 'npm-shrinkwrap.json', '.npmrc']
  const isLocked = manifests.slice(0, 2).some((name) => names.includes(name))
  const install = `npm ${isLocked ? 'ci' : 'install'} --no-audit --no-fund`
  return {
    setup: [],
    manifests,
    isLocked,
    isWorkspace: manifest.workspaces !== undefined,
    whole: install,
    production: `${install} --omit=dev`,
    build: 'npm run build',
    cache: '/root/.npm',
    notes: [],
  }
}

function pnpm({ names, texts }: ProjectFiles, manifest: Manifest): NodeManager {
  const written = wantedVersion(manifest, 'pnpm')
  const version = written ?? pnpmOfLock(texts['pnpm-lock.yaml'] ?? '')
  const install = 'pnpm install --frozen-lockfile --store-dir /cache/pnpm'
  return {
    setup: [globally(`pnpm@${version}`)],
    manifests: ['pnpm-lock.yaml', '.npmrc'],
    isLocked: true,
    isWorkspace: names.includes('pnpm-workspace.yaml'),
    whole: install,
    production: `${install} --prod`,
    build: 'pnpm run build',
    cache: '/cache/pnpm',
    notes: written === null ? [unpinned('pnpm', version)] : [],
  }
}

function yarnClassic(manifest: Manifest, version: string): NodeManager {
  const install = 'yarn install --frozen-lockfile --non-interactive --cache-folder /cache/yarn'
  return {
    setup: [globally(`yarn@${version}`)],
    manifests: ['yarn.lock', '.npmrc', '.yarnrc'],
    isLocked: true,
    isWorkspace: manifest.workspaces !== undefined,
    whole: install,
    production: `${install} --production`,
    build: 'yarn run build',
    // Two of it at once spoil each other's downloads.
    cache: '/cache/yarn,sharing=locked',
    notes: [],
  }
}

function yarnModern({ names }: ProjectFiles, manifest: Manifest, written: string | null): NodeManager {
  const version = written ?? '4'
  const whole = 'yarn install --immutable'
  return {
    setup: [globally(`@yarnpkg/cli-dist@${version}`), YARN_SETTINGS],
    manifests: ['yarn.lock', '.yarnrc.yml'],
    isLocked: true,
    // Patches and plugins are in .yarn.
    isWorkspace: manifest.workspaces !== undefined || names.some((name) => /^\.yarn\/(?:patches|plugins)\//.test(name)),
    whole,
    // Versions 2 and 3 know no way without a plugin.
    production: /^[23]\./.test(version) ? whole : 'yarn workspaces focus --all --production',
    build: 'yarn run build',
    cache: '/cache/yarn',
    notes: written === null ? [unpinned('yarn', version)] : [],
  }
}

/** `--force`: images before Node 26 have a yarn of their own at the same place. */
const globally = (one: string): string => `RUN npm install --global --force --no-audit --no-fund ${one}`

/** `packageManager` of package.json names the version, sometimes with a hash. */
function wantedVersion({ packageManager }: Manifest, name: string): string | null {
  const [, manager, version] = typeof packageManager === 'string' ? (/^(\w+)@([\d.]+)/.exec(packageManager) ?? []) : []
  return manager === name && version !== undefined ? version : null
}

/** The version that wrote a lock file of that form, and that runs on each Node that is maintained. */
function pnpmOfLock(text: string): string {
  const lock = Number(/^lockfileVersion:\s*'?([\d.]+)/.exec(text)?.[1] ?? 9)
  return lock < 6 ? '7' : lock < 9 ? '8' : '10'
}

const unpinned = (name: string, version: string): string =>
  `package.json does not say which ${name}: the newest ${version} is taken; pin it with "packageManager": "${name}@…"`
