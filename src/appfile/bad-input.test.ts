// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of naru.yaml
import { describe, expect, it } from 'vitest'
import { refusal, resolveText } from './testing.ts'

const app = (rest: string): string => `app: shop\n${rest}`

/** Bad input, and what is said to it: place, message, hint. */
const TABLE: readonly (readonly [name: string, text: string, code: string, message: string, hint: string])[] = [
  // names of keys
  [
    'an unknown key',
    app('rolout: {}'),
    'APPFILE_INVALID',
    'naru.yaml:2:1: rolout is no key of naru.yaml',
    'Did you mean `rollout`?',
  ],
  [
    'environment:',
    app('environment: { A: b }'),
    'APPFILE_INVALID',
    '2:1: environment is no key',
    'Did you mean `env` or `environments`?',
  ],
  [
    'environment: under an environment',
    app('environments: { local: { environment: {} } }'),
    'APPFILE_INVALID',
    '2:26: environments.local.environment is no key',
    '`env` or `environments`',
  ],
  [
    'an unknown key of a role',
    app('roles: { web: { prot: 1 } }'),
    'APPFILE_INVALID',
    '2:17: roles.web.prot is no key',
    'Did you mean `port`?',
  ],
  [
    'an unknown key of an environment that is not asked for',
    app('environments: { local: {}, prod: { replica: 1 } }'),
    'APPFILE_INVALID',
    '2:36: environments.prod.replica is no key',
    'Did you mean `replicas`?',
  ],
  [
    'an unknown key with no near one',
    app('migrate: { zzzzzzzz: 1, run: [a] }'),
    'APPFILE_INVALID',
    'migrate.zzzzzzzz is no key',
    'Keys here: run, timeoutSeconds.',
  ],
  [
    'an unknown key inside one form of several',
    app('replicas: { perHos: 2 }'),
    'APPFILE_INVALID',
    '2:13: replicas.perHos is no key',
    'Did you mean `perHost`?',
  ],
  ['a key of Compose', app('services: {}'), 'APPFILE_INVALID', 'services is no key', 'Did you mean `roles`?'],
  // types and values
  ['nothing', '', 'APPFILE_INVALID', 'naru.yaml:1:1: the file says nothing', 'app: shop'],
  ['nothing but comments', '# app: shop\n', 'APPFILE_INVALID', 'naru.yaml:1:1: the file says nothing', 'naru init'],
  ['no app', 'replicas: 1', 'APPFILE_INVALID', 'naru.yaml:1:1: app: expected a name for the app, got nothing', ''],
  [
    'an app name with capitals',
    'app: Shop',
    'APPFILE_INVALID',
    '1:6: app: expected a name for the app, got "Shop"',
    'lower-case',
  ],
  ['an app name for a shell', "app: '$$(reboot)'", 'APPFILE_INVALID', '1:6: app: expected a name', 'lower-case'],
  ['an app name that climbs', 'app: ../etc', 'APPFILE_INVALID', 'app: expected a name', 'lower-case'],
  [
    'a role name',
    app('roles: { Web: {} }'),
    'APPFILE_INVALID',
    '2:10: roles: expected a name for the role, got "Web"',
    'lower-case',
  ],
  [
    'an environment name',
    app('environments: { "a b": {} }'),
    'APPFILE_INVALID',
    '2:17: environments: expected a name',
    'lower-case',
  ],
  ['a variable name', app('env: { "A B": x }'), 'APPFILE_INVALID', '2:8: env: expected a name of letters', 'Begin it'],
  [
    'text for a number',
    app('replicas: three'),
    'APPFILE_INVALID',
    '2:11: replicas: expected a number, { perHost: n } or { min, max, cpu }, got "three"',
    '',
  ],
  ['a number in quotes', app('replicas: "3"'), 'APPFILE_INVALID', '2:11: replicas: expected a number', ''],
  [
    'a negative number',
    app('replicas: -1'),
    'APPFILE_INVALID',
    'replicas: expected a number from 0 to 10000, got -1',
    '',
  ],
  [
    'a fraction',
    app('rollout: { minReadySeconds: 1.5 }'),
    'APPFILE_INVALID',
    'rollout.minReadySeconds: expected whole seconds',
    '',
  ],
  ['a list for a map', app('rollout: []'), 'APPFILE_INVALID', '2:10: rollout: expected keys, got a list', ''],
  [
    'a map for a list',
    app('routes: { host: a }'),
    'APPFILE_INVALID',
    'routes: expected a list of routes, got keys',
    '',
  ],
  ['a map for a text', app('image: { a: 1 }'), 'APPFILE_INVALID', 'image: expected an image reference, got keys', ''],
  [
    'a wrong choice',
    app('rollout: { strategy: RolingUpdate }'),
    'APPFILE_INVALID',
    '2:22: rollout.strategy: expected RollingUpdate',
    'Did you mean RollingUpdate?',
  ],
  [
    'an unknown engine',
    app('engine: dockr'),
    'APPFILE_INVALID',
    'engine: expected one of embedded',
    'Did you mean docker?',
  ],
  ['a port above 65535', app('port: 70000'), 'APPFILE_INVALID', 'port: expected a port from 1 to 65535, got 70000', ''],
  ['port 0', app('port: 0'), 'APPFILE_INVALID', 'port: expected a port from 1 to 65535, got 0', ''],
  [
    'an address without a port',
    app('routes: [{ listen: 127.0.0.1 }]'),
    'APPFILE_INVALID',
    'routes[0].listen: expected an address',
    'ADDRESS:PORT',
  ],
  [
    'an address with a wrong port',
    app('routes: [{ listen: "127.0.0.1:99999" }]'),
    'APPFILE_INVALID',
    'routes[0].listen: expected an address',
    '',
  ],
  [
    'an address that is none',
    app('routes: [{ listen: "1.2.3.400:80" }]'),
    'APPFILE_INVALID',
    'routes[0].listen: expected an address',
    '',
  ],
  [
    'a route path',
    app('routes: [{ path: shop }]'),
    'APPFILE_INVALID',
    'routes[0].path: expected a path that begins with /',
    '',
  ],
  ['a host name', app('routes: [{ host: "a b" }]'), 'APPFILE_INVALID', 'routes[0].host: expected a host name', ''],
  [
    'an image in capitals',
    app('image: Team/Shop'),
    'APPFILE_INVALID',
    'image: expected an image reference',
    'lower case',
  ],
  [
    'memory in thousandths of a byte',
    app('resources: { memory: 512m }'),
    'APPFILE_INVALID',
    '2:22: resources.memory: expected an amount of memory of at least 1Mi, got "512m"',
    'Did you mean 512Mi?',
  ],
  [
    'memory without a unit',
    app('resources: { memory: 512 }'),
    'APPFILE_INVALID',
    'resources.memory: expected an amount',
    'Did you mean 512Mi?',
  ],
  [
    'memory as people say it',
    app('resources: { limits: { memory: 1GB } }'),
    'APPFILE_INVALID',
    'resources.limits.memory: expected',
    'Did you mean 1Gi?',
  ],
  [
    'cpu with a wrong unit',
    app('resources: { cpu: 2cores }'),
    'APPFILE_INVALID',
    'resources.cpu: expected cores',
    '500m',
  ],
  [
    'a git URL that is an option',
    app('source: { git: --upload-pack=x }'),
    'APPFILE_INVALID',
    'source.git: expected a URL',
    '',
  ],
  [
    'a ref that is an option',
    app('source: { ref: --exec=x }'),
    'APPFILE_INVALID',
    'source.ref: expected a branch, tag or commit',
    '',
  ],
  [
    'an absolute build context',
    app('build: { context: /etc }'),
    'APPFILE_INVALID',
    'build.context: expected a path relative to naru.yaml',
    '',
  ],
  [
    'a build context outside',
    app('build: { context: ../.. }'),
    'APPFILE_INVALID',
    'build.context: leaves the repository',
    '',
  ],
  [
    'a Dockerfile outside, by a detour',
    app('build: { dockerfile: a/../../Dockerfile }'),
    'APPFILE_INVALID',
    'build.dockerfile: leaves the repository',
    '',
  ],
  [
    'a secret file that is relative',
    app('secrets: [{ name: A, file: etc/a }]'),
    'APPFILE_INVALID',
    'secrets[0].file: expected an absolute path',
    'Begin it with /',
  ],
  [
    'a secret file that climbs',
    app('secrets: [{ name: A, file: /run/../../a }]'),
    'APPFILE_INVALID',
    'secrets[0].file: expected an absolute path',
    '',
  ],
  [
    'a receipt rate of 0',
    app('receipt: { rate: 0 }'),
    'APPFILE_INVALID',
    'receipt.rate: expected requests a second',
    '',
  ],
  [
    'a status that is none',
    app('health: { readiness: { path: /, expect: 99 } }'),
    'APPFILE_INVALID',
    'health.readiness.expect: expected a status from 100 to 599',
    '',
  ],
  // commands
  ['a pipe', app('run: cat a | b'), 'APPFILE_INVALID', '2:6: run: expected a command without |', 'Write a list'],
  ['and', app('run: a && b'), 'APPFILE_INVALID', 'without &&', 'Write a list'],
  [
    'a semicolon',
    app('migrate: { run: "a; b" }'),
    'APPFILE_INVALID',
    'migrate.run: expected a command without ;',
    'Write a list',
  ],
  ['a redirection', app('run: a > b'), 'APPFILE_INVALID', 'without >', 'Write a list'],
  ['a substitution', app('run: a $$(b)'), 'APPFILE_INVALID', 'without $(', 'Write a list'],
  ['an open quote', app("run: a 'b"), 'APPFILE_INVALID', "a command whose quote ' is closed", ''],
  ['an empty command', app('run: []'), 'APPFILE_INVALID', 'run: expected a list that names a program', ''],
  // rules between keys
  [
    'nothing may move',
    app('rollout: { maxSurge: 0 }'),
    'APPFILE_INVALID',
    '2:22: rollout.maxSurge: it and rollout.maxUnavailable are both 0',
    'maxUnavailable: 1',
  ],
  [
    'nothing may move, in percent',
    app('rollout: { maxSurge: 0%, maxUnavailable: 0% }'),
    'APPFILE_INVALID',
    'are both 0',
    'maxSurge: 1',
  ],
  [
    'more than all unavailable',
    app('rollout: { maxUnavailable: 101% }'),
    'APPFILE_INVALID',
    'rollout.maxUnavailable: expected at most 100%',
    '',
  ],
  [
    'a deadline before ready',
    app('rollout: { progressDeadlineSeconds: 5, minReadySeconds: 5 }'),
    'APPFILE_INVALID',
    'rollout.progressDeadlineSeconds: 5 is not more than minReadySeconds 5',
    'more than 5',
  ],
  [
    'a route to no role',
    app('routes: [{ role: wbe }]'),
    'APPFILE_INVALID',
    '2:18: routes[0].role: there is no role "wbe"',
    'Did you mean web?',
  ],
  [
    'two routes on one address',
    app('routes: [{ listen: 8080 }, { listen: "127.0.0.1:8080" }]'),
    'APPFILE_INVALID',
    'routes[1].listen: 127.0.0.1:8080 is published by routes[0] already',
    'another port',
  ],
  [
    'every address and one of them',
    app('routes: [{ listen: "0.0.0.0:80" }, { listen: "127.0.0.1:80" }]'),
    'APPFILE_INVALID',
    'is published by routes[0]',
    '',
  ],
  [
    'two routes on the port of one role',
    app('port: 3000\nroutes: [{}, { listen: 3000 }]'),
    'APPFILE_INVALID',
    '127.0.0.1:3000 is published',
    '',
  ],
  [
    'a role key with roles and no web',
    app('port: 80\nroles: { api: {} }'),
    'APPFILE_INVALID',
    '2:1: port: at the top level it is a key of the role web, and there is none',
    'roles.api.port',
  ],
  ['no roles', app('roles: {}'), 'APPFILE_INVALID', 'roles: names no role', ''],
  [
    'two kinds of readiness',
    app('health: { readiness: { path: /, tcp: true } }'),
    'APPFILE_INVALID',
    'health.readiness: expected one of path, tcp and run, got path and tcp',
    '',
  ],
  ['no kind of readiness', app('health: { readiness: { port: 80 } }'), 'APPFILE_INVALID', 'got none', ''],
  [
    'a status of a connect',
    app('health: { readiness: { tcp: true, expect: 200 } }'),
    'APPFILE_INVALID',
    'health.readiness.expect: means nothing to a check by tcp',
    '',
  ],
  [
    'a path of a role without a port',
    app('roles: { web: {}, job: { health: { readiness: { path: / } } } }'),
    'APPFILE_INVALID',
    'roles.job.health.readiness: the role has no port',
    '',
  ],
  [
    'min above max',
    app('replicas: { min: 3, max: 2 }\nengine: kubernetes'),
    'KEY_NOT_SUPPORTED',
    'roles.web.replicas.min',
    'Write a number',
  ],
  [
    'a limit below the request',
    app('resources: { memory: 1Gi, limits: { memory: 512Mi } }'),
    'APPFILE_INVALID',
    'resources.limits.memory: is less than what is requested',
    '',
  ],
  ['a secret twice', app('secrets: [A, A]'), 'APPFILE_INVALID', '2:14: secrets[1]: A is listed twice', ''],
  [
    'a secret in env too',
    app('env: { A: b }\nsecrets: [A]'),
    'APPFILE_INVALID',
    'secrets[0]: A stands under env as well',
    '',
  ],
  ['migrate without a command', app('migrate: { timeoutSeconds: 5 }'), 'APPFILE_INVALID', 'migrate: expected run', ''],
  ['two sources', app('source: { git: a, svn: b }'), 'KEY_NOT_SUPPORTED', 'source.svn', 'git repository'],
  [
    'acme without a host',
    app('routes: [{ tls: acme }]'),
    'APPFILE_INVALID',
    'routes[0].tls: acme needs the name',
    'host: NAME',
  ],
  // keys without an engine for them
  [
    'a key of another engine',
    app('namespace: shop'),
    'KEY_NOT_SUPPORTED',
    'naru.yaml:2:1: namespace: the engine embedded does not know it',
    'engine: kubernetes, or namespace: null',
  ],
  [
    'hosts on embedded',
    app('environments: { local: { hosts: [a] } }'),
    'KEY_NOT_SUPPORTED',
    'hosts: the engine embedded',
    'docker or tomcat',
  ],
  [
    'replicas per host',
    app('replicas: { perHost: 2 }'),
    'KEY_NOT_SUPPORTED',
    'roles.web.replicas.perHost is not supported',
    'replicas: 3',
  ],
  [
    'liveness',
    app('health: { liveness: { path: / } }'),
    'KEY_NOT_SUPPORTED',
    'health.liveness is not supported',
    'Remove it',
  ],
  ['a root file', app('apps: [services/*]'), 'KEY_NOT_SUPPORTED', '2:1: apps is not supported', 'one app'],
  // variables
  [
    'a variable that is not set',
    app('env: { A: "${NOPE}" }'),
    'APPFILE_VARIABLE_MISSING',
    '2:11: env.A: the variable NOPE is not set',
    'NOPE:-default',
  ],
  [
    'a variable with a message',
    app('env: { A: "${NOPE:?set it, please}" }'),
    'APPFILE_VARIABLE_MISSING',
    'NOPE is not set: set it, please',
    'Set NOPE',
  ],
  ['a lone dollar', app('env: { A: "5$" }'), 'APPFILE_INVALID', 'env.A: a $ that begins no ${NAME}', '$$ is a dollar'],
  [
    'a dollar without braces',
    app('env: { A: "$HOME" }'),
    'APPFILE_INVALID',
    'env.A: a $ that begins no ${NAME}',
    '${NAME}',
  ],
  ['an open brace', app('env: { A: "${HOME" }'), 'APPFILE_INVALID', '${HOME is not closed by a brace', ''],
  ['an unknown operator', app('env: { A: "${HOME:=x}" }'), 'APPFILE_INVALID', '${HOME is not closed', ''],
  // environments
  [
    'extends of nobody',
    app('environments: { a: { extends: b } }'),
    'APPFILE_INVALID',
    '2:31: extends: there is no environment "b"',
    'Write one of: a',
  ],
  // YAML
  ['broken YAML', app('foo: ['), 'APPFILE_SYNTAX', 'naru.yaml:2:', 'Correct the YAML'],
  ['a tab', 'app: shop\nrollout:\n\tmaxSurge: 1', 'APPFILE_SYNTAX', 'naru.yaml:3:1', 'spaces'],
  ['a key twice', app('app: shop'), 'APPFILE_SYNTAX', 'naru.yaml:2:1: the key app is written twice', 'Keep one'],
  ['two documents', 'app: a\n---\napp: b', 'APPFILE_SYNTAX', 'naru.yaml:2:', 'one app per file'],
  ['a list at the top', '- a', 'APPFILE_SYNTAX', 'naru.yaml:1:1: expected keys, got a list', 'app: shop'],
  ['a tag', app('image: !!js/function "x"'), 'APPFILE_SYNTAX', 'naru.yaml:2:8', 'Remove the tag'],
  [
    'an alias to nothing',
    app('image: *nope'),
    'APPFILE_SYNTAX',
    'naru.yaml:2:8: *nope has no anchor before it',
    '&nope',
  ],
  ['a NUL byte', app('image: "a\\0b"'), 'APPFILE_SYNTAX', 'naru.yaml:2:8: a text with a NUL byte', ''],
]

describe('bad input is refused with its place, what was expected and what to do', () => {
  it.each(TABLE)('%s', (_name, text, code, message, hint) => {
    const error = refusal(() => resolveText(text))
    expect(error.message).toContain(message)
    expect(error.hint).toContain(hint)
    expect(error.code).toBe(code)
  })

  it('names every problem, the first in the message', () => {
    const error = refusal(() => resolveText(app('rolout: 1\nreplicas: x\nroles: { web: { prot: 1 } }')))
    expect(error.message).toBe('naru.yaml:2:1: rolout is no key of naru.yaml (and 2 more)')
    expect(error.hint).toMatch(/naru\.yaml:3:11: replicas: expected[\s\S]*naru\.yaml:4:17: roles\.web\.prot/)
    expect(error.detail).toEqual({ file: 'naru.yaml', line: 2, column: 1, problems: 3 })
  })

  it('names every variable that is missing', () => {
    const error = refusal(() => resolveText(app('env: { A: "${ONE}", B: "${TWO}" }')))
    expect(`${error.message} ${error.hint}`).toMatch(/ONE[\s\S]*TWO/)
  })

  it.each([
    ['a number', 'replicas: "${SECRET}"'],
    ['a command', 'run: "${SECRET}"'],
    ['memory', 'resources: { memory: "${SECRET}" }'],
    ['an image', 'image: "${SECRET}"'],
    ['a name', 'secrets: ["${SECRET}"]'],
    ['a choice', 'engine: "${SECRET}"'],
    ['a role', 'routes: [{ role: "${SECRET}" }]'],
    ['a message', 'env: { A: "${NOPE:?${SECRET}}" }'],
    ['an environment', 'environments: { a: { extends: "${SECRET}" } }'],
  ])('never shows the value of a variable: %s', (_name, line) => {
    const secret = 'Hunter2 | 9m'
    const error = refusal(() => resolveText(app(line), { variables: { SECRET: secret } }))
    expect(JSON.stringify([error.message, error.hint, error.detail])).not.toMatch(/hunter2|9m/i)
  })

  it.each([
    ['env', 'env: { A: [hunter2] }'],
    ['build args', 'build: { args: { A: { hunter2: 1 } } }'],
    ['a URL with a password', 'source: { git: "-https://kim:hunter2@example.com" }'],
    ['secrets', 'secrets: ["hunter2!"]'],
  ])('never shows a text where secrets may have been written: %s', (_name, line) => {
    const error = refusal(() => resolveText(app(line)))
    expect(`${error.message} ${error.hint}`).not.toContain('hunter2')
  })
})
