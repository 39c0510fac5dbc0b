import type { App } from '../model/app.ts'
import { type Problem, problemAt } from './problem.ts'
import type { MergedFile } from './schema/app-file.ts'
import { parseCpu, parseMemory } from './schema/quantity.ts'
import { sharedListen } from './resolve/shared-listen.ts'
import type { MapNode } from './tree/placed-tree.ts'
import { readinessProblems } from './readiness-rules.ts'
import { nearest } from '../lib/nearest.ts'

/** What the rules read: the file as merged, its tree for places, and the app that was made of it. */
export interface Ruled {
  readonly file: MergedFile
  readonly root: MapNode
  readonly app: App
}

/** Rules between keys, which no schema of a single key can hold. */
export function rulesBroken(ruled: Ruled): readonly Problem[] {
  return [
    ...rolloutProblems(ruled),
    ...roleProblems(ruled),
    ...routeProblems(ruled),
    ...readinessProblems(ruled),
    ...nameProblems(ruled),
    ...singleProblems(ruled),
  ]
}

const isZero = (limit: number | string): boolean => limit === 0 || limit === '0%'

function rolloutProblems({ app, root }: Ruled): readonly Problem[] {
  const { strategy, maxSurge, maxUnavailable, minReadySeconds, progressDeadlineSeconds } = app.rollout
  const at = (key: string, what: string, hint: string) => problemAt(root, ['rollout', key], what, hint)
  const problems: Problem[] = []
  if (strategy !== 'Recreate' && isZero(maxSurge) && isZero(maxUnavailable))
    problems.push(
      at(
        'maxSurge',
        'it and rollout.maxUnavailable are both 0, so nothing could ever be replaced',
        'Write maxUnavailable: 1, or maxSurge: 1.',
      ),
    )
  if (typeof maxUnavailable === 'string' && Number.parseInt(maxUnavailable, 10) > 100)
    problems.push(at('maxUnavailable', 'expected at most 100%', 'Write a number of replicas, or 0% to 100%.'))
  if (progressDeadlineSeconds <= minReadySeconds)
    problems.push(
      at(
        'progressDeadlineSeconds',
        `${progressDeadlineSeconds} is not more than minReadySeconds ${minReadySeconds}, so every rollout would fail`,
        `Write more than ${minReadySeconds}.`,
      ),
    )
  return problems
}

function roleProblems({ file, root }: Ruled): readonly Problem[] {
  const roles = Object.entries(file.roles ?? {})
  if (roles.length === 0) return [problemAt(root, ['roles'], 'names no role', 'Write one, such as roles: { web: {} }.')]
  return roles.flatMap(([name, { replicas, resources }]) => {
    const path = ['roles', name]
    const problems: Problem[] = []
    if (typeof replicas === 'object' && 'min' in replicas && replicas.min > replicas.max)
      problems.push(
        problemAt(
          root,
          [...path, 'replicas', 'min'],
          `${replicas.min} is more than max ${replicas.max}`,
          'Lower min or raise max.',
        ),
      )
    for (const [key, parse] of [
      ['cpu', parseCpu],
      ['memory', parseMemory],
    ] as const) {
      const request = resources?.requests?.[key] ?? resources?.[key]
      const limit = resources?.limits?.[key]
      if (request === undefined || limit === undefined) continue
      const [asked, most] = [parse(request), parse(limit)]
      if ('amount' in asked && 'amount' in most && asked.amount > most.amount)
        problems.push(
          problemAt(
            root,
            [...path, 'resources', 'limits', key],
            'is less than what is requested',
            'Raise the limit or lower the request.',
          ),
        )
    }
    return problems
  })
}

function routeProblems({ file, root, app }: Ruled): readonly Problem[] {
  const names = Object.keys(file.roles ?? {})
  const unknown = app.routes.flatMap(({ role }, index) => {
    if (names.includes(role)) return []
    const near = nearest(role, names)
    const hint = near === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${near}?`
    return [problemAt(root, ['routes', index, 'role'], `there is no role ${JSON.stringify(role)}`, hint)]
  })
  const shared = sharedListen(app.routes, app.roles).map(({ index, other, address }) => {
    const shown = address.replace(/image$/, "the image's port")
    return problemAt(
      root,
      ['routes', index, 'listen'],
      `${shown} is published by routes[${other}] already`,
      'Write another port, such as listen: 127.0.0.1:8081.',
    )
  })
  const insecure = app.routes.flatMap(({ tls, host }, index) =>
    tls === 'acme' && host === null
      ? [
          problemAt(
            root,
            ['routes', index, 'tls'],
            'acme needs the name that the certificate is for',
            'Write host: NAME beside it.',
          ),
        ]
      : [],
  )
  return [...unknown, ...shared, ...insecure]
}

function nameProblems({ app, root }: Ruled): readonly Problem[] {
  const first = new Map(app.secrets.map(({ name }, index): [string, number] => [name, index]).toReversed())
  return app.secrets.flatMap(({ name, file }, index) => {
    const hint = 'Keep one of the two.'
    if (first.get(name) !== index) return [problemAt(root, ['secrets', index], `${name} is listed twice`, hint)]
    const clashes =
      file === null && (Object.hasOwn(app.env, name) || app.roles.some(({ env }) => Object.hasOwn(env, name)))
    return clashes ? [problemAt(root, ['secrets', index], `${name} stands under env as well`, hint)] : []
  })
}

function singleProblems({ file, root }: Ruled): readonly Problem[] {
  const problems: Problem[] = []
  if (file.migrate !== undefined && file.migrate.run === undefined)
    problems.push(problemAt(root, ['migrate'], 'expected run, got nothing', 'Write migrate: { run: [./migrate] }.'))
  if (file.source?.git !== undefined && file.source.svn !== undefined)
    problems.push(problemAt(root, ['source', 'svn'], 'git is written as well', 'Keep one of git and svn.'))
  return problems
}
