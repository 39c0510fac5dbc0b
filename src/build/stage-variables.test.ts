import { describe, expect, it } from 'vitest'
import { StageVariables } from './stage-variables.ts'

describe('StageVariables', () => {
  it('lets the later of ENV and ARG count', () => {
    const stage = new StageVariables()
    stage.setEnv(['A=base', 'B=b'], [])
    stage.declare('A', 'arg')
    expect(stage.get('A')).toBe('arg')
    stage.setEnv(['A=env', 'B=b'], ['A'])
    expect(stage.get('A')).toBe('env')
    expect(Object.fromEntries(stage.all())).toEqual({ A: 'env', B: 'b' })
  })

  it('hands the arguments on to the stage that stands on it, and is not changed by that one', () => {
    const below = new StageVariables()
    below.declare('A', 'below')
    const above = new StageVariables(below)
    above.declare('A', 'above')
    expect([below.get('A'), above.get('A'), above.get('NONE')]).toEqual(['below', 'above', undefined])
  })
})
