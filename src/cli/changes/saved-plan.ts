import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { PlanBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import { writeFileAtomic } from '../../os/atomic-file.ts'
import type { Session } from '../session.ts'

/** What `naru plan --save` writes and `naru deploy --plan` repeats. */
export type SavedPlan = Pick<PlanBody, 'app' | 'environment' | 'fixed' | 'fingerprint'> & { readonly naruPlan: 1 }

/** Writes a plan, the readable part with it. */
export async function savePlan({ folder }: Session, path: string, plan: PlanBody): Promise<void> {
  await writeFileAtomic(resolve(folder, path), `${JSON.stringify({ naruPlan: 1, ...plan }, null, 2)}\n`, 0o644)
}

/** Throws USAGE_INVALID for a file that is no plan of this version. */
export async function readSavedPlan({ folder }: Session, path: string): Promise<SavedPlan> {
  try {
    const read: unknown = JSON.parse(await readFile(resolve(folder, path), 'utf8'))
    if (isSavedPlan(read)) return read
  } catch (failed) {
    throw noPlan(path, (failed as NodeJS.ErrnoException).code ?? 'no JSON', failed)
  }
  throw noPlan(path, 'not written by naru plan --save FILE of this version')
}

function isSavedPlan(read: unknown): read is SavedPlan {
  const plan = read as Partial<SavedPlan> | null
  return plan?.naruPlan === 1 && typeof plan.fingerprint?.inputs === 'string' && typeof plan.fixed === 'object'
}

const noPlan = (path: string, why: string, cause?: unknown) =>
  new DeployError('USAGE_INVALID', `${path} is no saved plan: ${why}`, {
    hint: 'Make one with: naru plan --save FILE.',
    cause,
  })
