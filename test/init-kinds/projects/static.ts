import { nginxBase } from '../bases/nginx.ts'
import { nodeBase } from '../bases/node.ts'
import { CONNECT, type Project } from '../project.ts'

const common = {
  says: '<p>hello from a file</p>',
  user: '101:101',
  neverBroken: true,
  keepsConnections: true,
  readiness: CONNECT,
} as const

export const STATIC_PROJECTS: readonly Project[] = [
  {
    ...common,
    name: 'static',
    bases: [nginxBase],
    files: { 'public/index.html': '<p>hello from a file</p>\n' },
  },
  {
    ...common,
    name: 'eleventy',
    bases: [nodeBase, nginxBase],
    prepare: [['npm', 'install', '--package-lock-only', '--ignore-scripts']],
    files: {
      'package.json': JSON.stringify({
        name: 'hello',
        version: '1.0.0',
        scripts: { build: 'eleventy' },
        devDependencies: { '@11ty/eleventy': '3.1.2' },
      }),
      'index.md': '<p>hello from a file</p>\n',
    },
  },
]
