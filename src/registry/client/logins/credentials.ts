/** What is shown to a registry, or to the token service that it names. Never printed, never in an argument list. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly token: string }

/** Finds the credentials for a repository of a registry host; null: none, ask as anybody. */
export type CredentialsOf = (
  host: string,
  repository: string | null,
  signal: AbortSignal,
) => Promise<Credentials | null>
