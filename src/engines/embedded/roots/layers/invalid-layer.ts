import { DeployError } from '../../../../model/failure.ts'

/** IMAGE_INVALID for a layer that we do not unpack. `what`: "entry etc/x leaves the folder". */
export function invalidLayer(what: string, cause?: unknown): DeployError {
  return new DeployError('IMAGE_INVALID', `a layer of the image is not usable: ${what}`, {
    hint: 'Nothing of it was kept. Build the image again with a current tool, or use another image.',
    cause,
  })
}
