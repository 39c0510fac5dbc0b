// npm run init-kinds [NAME…]: each Dockerfile that naru init writes, tried on a project of its kind from init to a request.
import { systemClock } from '../../src/os/system-clock.ts'
import { missingFor } from './bases.ts'
import { PROJECTS } from './projects.ts'
import { tryProject } from './try-project.ts'

const asked = process.argv.slice(2)
let failures = 0
for (const project of PROJECTS.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const missing = await missingFor(project.bases)
  if (missing !== null) {
    console.log(`${project.name.padEnd(10)} not tried: needs ${missing}`)
    continue
  }
  const from = systemClock.now()
  try {
    const { body, settings, left } = await tryProject(project)
    const wrong = [
      ...(body.trim() === project.says ? [] : [`answered ${body}`]),
      ...(settings?.User === project.user ? [] : [`user ${settings?.User}`]),
      ...(settings?.Healthcheck === undefined ? ['no HEALTHCHECK'] : []),
      ...left,
    ]
    if (wrong.length > 0) failures++
    console.log(
      `${project.name.padEnd(10)} ${wrong.length === 0 ? 'held' : wrong.join('; ')} in ${Math.round((systemClock.now() - from) / 1000)} s`,
    )
  } catch (failed) {
    failures++
    console.log(`${project.name.padEnd(10)} failed: ${String(failed)}`)
  }
}
process.exitCode = failures === 0 ? 0 : 1
