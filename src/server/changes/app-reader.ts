import type { DeployRequest } from '../../api/requests.ts'
import { refuseKeys, refuseOtherEngine } from '../../appfile/gate.ts'
import { readAppFile } from '../../appfile/read-app-file.ts'
import { resolveApp } from '../../appfile/resolve-app.ts'
import { settleImage } from '../../appfile/settle-image.ts'
import type { AppReader, AppReading } from '../../deploy/artifact/workshop.ts'
import type { EngineTraits } from '../../model/engine-traits.ts'

/** What a request says of its app. */
export type AppRequest = Pick<DeployRequest, 'file' | 'folderName' | 'environment' | 'source' | 'variables'>

/** Reads naru.yaml for one request: in front of the user, then at the commit. Refuses what the engine cannot honour. */
export function appReader(
  request: AppRequest,
  engine: { readonly name: string; readonly traits: EngineTraits },
): AppReader {
  const name = request.file?.name ?? 'naru.yaml'
  const front = request.file === null ? null : readAppFile(request.file.text, name)
  const read = (commit: ReturnType<typeof readAppFile> | null | undefined): AppReading => {
    const resolved = resolveApp({
      front,
      commit,
      environment: request.environment ?? undefined,
      variables: request.variables,
      folderName: request.folderName,
      folder: request.source.folder,
    })
    const { app, notes, file, variables, written } = resolved
    refuseOtherEngine(written, app.engine.kind, engine.name)
    refuseKeys(written, engine.traits.refuses, `the engine ${engine.name}`)
    return { app, notes, file, variables }
  }
  return {
    // `--file` names it in the commit as it does in front of the user.
    path: name,
    front: () => read(undefined),
    atCommit: (text) => read(text === null ? null : readAppFile(text, name)),
    settle: settleImage,
  }
}
