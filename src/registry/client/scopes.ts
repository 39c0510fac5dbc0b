/** Token scopes of a push. */
export const pushScopes = (repository: string, from?: string): readonly string[] => [
  `repository:${repository}:pull,push`,
  ...(from === undefined ? [] : [`repository:${from}:pull`]),
]
