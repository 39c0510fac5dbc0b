// The layer table of design.md section 4, held by the machine. A rule that hurts is changed in a commit that says why.

/** What every adapter may see of the other stations: their port files, which are interfaces and nothing else. */
const PORTS =
  '^src/(source/source|build/builder|registry/content-store|engines/engine|routing/router|memory/memory|probe/probe)[.]ts$'

/** @param {string} name @param {string} folder @param {readonly string[]} allowed */
const only = (name, folder, ...allowed) => ({
  name: `${name} sees only ${allowed.join(', ') || 'itself'}`,
  severity: 'error',
  from: { path: folder, pathNot: '[.](test|contract)[.]ts$|/testing[-.][^/]*ts$' },
  to: {
    path: '^src/',
    pathNot: [folder, ...allowed.map((to) => (to === 'ports' ? PORTS : `^src/${to}/`))],
  },
})

const ADAPTERS = ['source', 'build', 'registry', 'engines/[^/]+', 'routing', 'probe']

/** @type {import('dependency-cruiser').IConfiguration} */
const configuration = {
  forbidden: [
    only('lib', '^src/lib/'),
    only('os', '^src/os/', 'lib'),
    only('model', '^src/model/', 'lib'),
    only('plan', '^src/plan/', 'model', 'lib'),
    only('appfile', '^src/appfile/', 'model', 'lib'),
    only('secrets', '^src/secrets/', 'model', 'lib'),
    only('api', '^src/api/', 'model', 'lib'),
    ...ADAPTERS.map((folder) => only(folder, `^src/${folder}/`, 'model', 'lib', 'os', 'ports')),
    only('memory', '^src/memory/', 'secrets', 'model', 'lib', 'os', 'ports'),
    only('deploy', '^src/deploy/', 'plan', 'model', 'lib', 'ports'),
    only('server', '^src/server/', 'api', 'appfile', 'deploy', 'model', 'lib', 'ports'),
    only('cli', '^src/cli/', 'api', 'appfile', 'model', 'lib', 'os'),
    {
      name: 'decisions do no I/O',
      severity: 'error',
      from: { path: '^src/(model|plan)/', pathNot: '[.]test[.]ts$' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    {
      name: 'ports are interfaces and nothing else',
      severity: 'error',
      from: { path: PORTS },
      to: { path: '^src/', pathNot: ['^src/(model|lib)/', PORTS] },
    },
    { name: 'no cycles, types counted', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no import of tests',
      severity: 'error',
      from: { path: '^src/', pathNot: '[.](test|contract)[.]ts$|/testing[-.][^/]*ts$' },
      to: { path: '[.](test|contract)[.]ts$|/testing[-.][^/]*ts$' },
    },
    {
      name: 'no import of main',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main([.]ts$|/)' },
      to: { path: '^src/main([.]ts$|/)' },
    },
    ...[
      ['commander', '^src/cli/|^src/main'],
      ['kysely', '^src/memory/'],
      ['fastify', '^src/server/'],
      ['yaml', '^src/(appfile|cli)/'],
      ['modern-tar', '^src/(build|engines/embedded)/'],
    ].map(([library, owner]) => ({
      name: `${library} has one owner`,
      severity: 'error',
      from: { path: '^src/', pathNot: [String(owner), '[.]test[.]ts$'] },
      to: { path: `node_modules/${library}/` },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '[.]contract[.]ts$' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
export default configuration
