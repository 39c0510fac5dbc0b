import { ORDINARY_USER, type Project } from './project.ts'
import type { Tried } from './try-project.ts'

/** What is not as it has to be; nothing: the project held. */
export function judge(project: Project, { appFile, settings, first, second, broken, exits }: Tried): readonly string[] {
  const wrong = (is: boolean, text: string) => (is ? [text] : [])
  const names = Object.keys(exits)
  return [
    ...wrong(readinessOf(appFile) !== project.readiness, `init wrote readiness ${readinessOf(appFile)}`),
    ...wrong(settings?.User !== (project.user ?? ORDINARY_USER), `user ${settings?.User}`),
    ...wrong(settings?.Healthcheck?.Test?.[0] !== 'CMD', 'no HEALTHCHECK in exec form'),
    ...[first, second].flatMap(({ code, said, body, wanted, receipt }, at) => [
      ...wrong(code !== 0, `deploy ${at + 1} ended with ${code}: ${said}`),
      ...wrong(body !== wanted, `answered ${body}, not ${wanted}`),
      ...wrong((receipt?.cut ?? 0) > 0, `${receipt?.cut} connections cut`),
    ]),
    ...wrong(second.receipt?.requests.kind !== 'measured', 'nothing was measured'),
    ...wrong(lost(project, second) > 0, `lost ${JSON.stringify(second.receipt?.requests)}`),
    ...wrong(broken?.code === 0, 'its HEALTHCHECK did not notice that it answers 500'),
    ...wrong(broken !== null && broken.body !== broken.wanted, `answered ${broken?.body} after a broken revision`),
    ...wrong(names.length !== 2, `${names.length} of 2 replicas were told to end`),
    ...names.flatMap((name) => wrong(!exits[name]?.startsWith('exited with code'), `${name}: ${exits[name]}`)),
  ]
}

const readinessOf = (appFile: string): string | null => /^health: { readiness: (\{.*?\}) }/m.exec(appFile)?.[1] ?? null

function lost({ keepsConnections }: Project, { receipt }: Tried['second']): number {
  if (receipt?.requests.kind !== 'measured') return 0
  return receipt.requests.lost - (keepsConnections === true ? (receipt.requests.lostBy.reset ?? 0) : 0)
}
