import { nodeBase } from '../bases/node.ts'
import { CONNECT, type Project } from '../project.ts'

const ENDS = `if (existsSync('node_modules/typescript')) throw new Error('packages of the build are in the image')
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`

/** Of a framework of each lock file: built by TypeScript, which the image must not have. */
function project(name: string, framework: Framework, more: Pick<Project, 'prepare'>, fields: object = {}): Project {
  return {
    name,
    bases: [nodeBase],
    files: {
      'package.json': JSON.stringify({
        name: 'hello',
        version: '1.0.0',
        scripts: { start: 'node dist/server.mjs', build: 'tsc', prepare: 'git-hooks-that-are-not-here' },
        dependencies: { [framework.name]: framework.version },
        devDependencies: { typescript: '5.9.3' },
        ...fields,
      }),
      'tsconfig.json': JSON.stringify({
        compilerOptions: { outDir: 'dist', module: 'nodenext', target: 'es2023', noCheck: true, types: [] },
        include: ['server.mts'],
      }),
      '.gitignore': 'node_modules\ndist\n',
      'server.mts': `import { existsSync } from 'node:fs'\n${framework.server}\n${ENDS}`,
    },
    readiness: CONNECT,
    ...more,
  }
}

interface Framework {
  readonly name: string
  readonly version: string
  readonly server: string
}

const EXPRESS: Framework = {
  name: 'express',
  version: '5.1.0',
  server: `import express from 'express'
const app = express()
app.get('/', (_request: any, response: any) => {
  response.status(process.env.BROKEN ? 500 : 200).set('connection', 'close').send('hello from ' + process.getuid!())
})
const server = app.listen(Number(process.env.PORT))`,
}

const FASTIFY: Framework = {
  name: 'fastify',
  version: '5.6.1',
  server: `import { fastify } from 'fastify'
const server = fastify()
server.get('/', (_request: any, reply: any) =>
  reply.code(process.env.BROKEN ? 500 : 200).header('connection', 'close').send('hello from ' + process.getuid!()))
await server.listen({ host: '0.0.0.0', port: Number(process.env.PORT) })`,
}

export const NODE_PROJECTS: readonly Project[] = [
  project('node', EXPRESS, { prepare: [['npm', 'install', '--package-lock-only', '--ignore-scripts']] }),
  project(
    'pnpm',
    FASTIFY,
    { prepare: [['npx', '--yes', 'pnpm@10.34.9', 'install', '--lockfile-only', '--ignore-scripts']] },
    { packageManager: 'pnpm@10.34.9' },
  ),
  project('yarn-1', EXPRESS, {
    prepare: [['npx', '--yes', 'yarn@1.22.22', 'install', '--ignore-scripts', '--non-interactive']],
  }),
  project(
    'yarn-4',
    FASTIFY,
    { prepare: [['npx', '--yes', '@yarnpkg/cli-dist@4.18.1', 'install', '--mode=update-lockfile']] },
    { packageManager: 'yarn@4.18.1' },
  ),
]
