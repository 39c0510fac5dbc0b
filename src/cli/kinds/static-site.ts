import {
  dockerfile,
  IGNORED_ALWAYS,
  healthcheck,
  PORT,
  type ProjectFiles,
  type Proposal,
  type Unready,
} from './kind.ts'
import { asRecord, parseJson } from './manifest.ts'
import { buildStage, lockNotes, manifestStage, nodePackages } from './node-packages.ts'

const SERVER = 'nginxinc/nginx-unprivileged:stable-alpine'
/** Where generators put a site, by the package that does it. The first that is there counts. */
const OUTPUTS: readonly (readonly [name: string, folder: string])[] = [
  ['vite', 'dist'],
  ['astro', 'dist'],
  ['react-scripts', 'build'],
  ['@11ty/eleventy', '_site'],
  ['gatsby', 'public'],
  ['@docusaurus/core', 'build'],
  ['vitepress', '.vitepress/dist'],
  ['parcel', 'dist'],
  ['webpack', 'dist'],
]
/** Folders with a site that is committed as it is; '.': the project's own. */
const FOLDERS = ['public', 'site', 'www', 'html', 'docs', 'dist', '.']

/** Files that a web server hands out: made by a package's build, or there as they are. null: no index.html, no known build. */
export function findStaticSite(files: ProjectFiles): Proposal | Unready | null {
  const built = builtSite(files)
  if (built !== null) return built
  const folder = FOLDERS.find((one) => files.names.includes(one === '.' ? 'index.html' : `${one}/index.html`))
  if (folder === undefined) return null
  return {
    kind: 'static',
    because: folder === '.' ? 'index.html' : `${folder}/index.html`,
    what: `${SERVER}, serves ${folder === '.' ? 'this folder' : folder}`,
    readiness: 'connect',
    dockerfile: dockerfile(serverStage([`COPY ${folder} /usr/share/nginx/html`])),
    ignore: [...IGNORED_ALWAYS, '**/node_modules'],
    notes: [],
  }
}

function builtSite(files: ProjectFiles): Proposal | null {
  const manifest = parseJson(files.texts['package.json'] ?? '')
  if (manifest === null || typeof asRecord(manifest.scripts)?.build !== 'string') return null
  const packages = { ...asRecord(manifest.dependencies), ...asRecord(manifest.devDependencies) }
  const [generator, output] = OUTPUTS.find(([name]) => packages[name] !== undefined) ?? []
  if (generator === undefined || output === undefined) return null
  const node = nodePackages(files, manifest)
  return {
    kind: 'static',
    because: `package.json, built by ${generator}`,
    what: `${SERVER}, serves ${output}`,
    readiness: 'connect',
    dockerfile: dockerfile(
      manifestStage(files, manifest, node),
      buildStage(node),
      serverStage([`COPY --from=build /app/${output} /usr/share/nginx/html`]),
    ),
    ignore: [...IGNORED_ALWAYS, '**/node_modules', output],
    notes: [
      ...lockNotes(node),
      `the build is taken to write into ${output}: change the last COPY of the Dockerfile where it does not`,
    ],
  }
}

// No timeout for wget: that of HEALTHCHECK is enough, and busybox 1.35 crashes by its own.
const serverStage = (copies: readonly string[]): readonly string[] => [
  `FROM ${SERVER}`,
  `ENV PORT=${PORT}`,
  '# The image fills in the variables of a template when it starts.',
  "COPY <<'EOF' /etc/nginx/templates/default.conf.template",
  'server {',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the template, not of ours.
  '  listen ${PORT};',
  '  root /usr/share/nginx/html;',
  '  location / {',
  '    try_files $uri $uri/ =404;',
  '  }',
  '}',
  'EOF',
  ...copies,
  '# The user of the image (nginx), by number.',
  'USER 101:101',
  `EXPOSE ${PORT}`,
  '# nginx ends its requests before it ends.',
  'STOPSIGNAL SIGQUIT',
  healthcheck(['sh', '-c', 'wget -q -O /dev/null "http://127.0.0.1:$PORT/"']),
]
