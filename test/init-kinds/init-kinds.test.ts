import { describe, expect, it } from 'vitest'
import { CliStage } from '../integration/cli-stage.ts'
import { layBases } from './base.ts'
import { judge } from './judge.ts'
import { missingFor } from './project.ts'
import { NODE_PROJECTS } from './projects/node.ts'
import { STATIC_PROJECTS } from './projects/static.ts'
import { tryProject } from './try-project.ts'

/** A cut of `npm run init-kinds`: one that installs and builds by RUN, and one that needs none. */
const CUT = [...NODE_PROJECTS, ...STATIC_PROJECTS].filter(({ name }) => name === 'node' || name === 'static')
const isRoot = process.geteuid?.() === 0
const cases = await Promise.all(
  CUT.map(async (project) => {
    const missing = isRoot ? await missingFor(project) : 'root, for RUN'
    return { project, missing, name: `${project.name}${missing === null ? '' : ` (left out: needs ${missing})`}` }
  }),
)

describe.each(cases)('a project of $name', ({ project, missing }) => {
  it.skipIf(missing !== null)(
    'goes from naru init to an answer, rolls by its HEALTHCHECK, refuses a broken revision and ends when told',
    { timeout: 400_000 },
    async () => {
      const stage = CliStage.open()
      const tried = layBases(stage.data, project.bases).then(() => tryProject(stage, project))
      const left = await tried.then(
        () => stage.close(),
        () => stage.close(),
      )
      expect({ wrong: judge(project, await tried), left }).toEqual({ wrong: [], left: [] })
    },
  )
})
