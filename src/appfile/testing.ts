import { DeployError } from '../model/failure.ts'
import { readAppFile } from './read-app-file.ts'
import { type ResolvedApp, type ResolveRequest, resolveApp } from './resolve-app.ts'

/** An app from the text of a naru.yaml, in its only environment unless told. */
export function resolveText(text: string, more: Partial<ResolveRequest> = {}): ResolvedApp {
  return resolveApp({ front: readAppFile(text, 'naru.yaml'), variables: {}, folderName: 'shop', ...more })
}

/** What a call is refused with; a test fails when it is not refused, or with anything but a DeployError. */
export function refusal(call: () => unknown): DeployError {
  try {
    call()
  } catch (error) {
    if (error instanceof DeployError) return error
    throw error
  }
  throw new Error('was not refused')
}
