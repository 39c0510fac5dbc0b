import { healthPath } from './health-path.ts'
import {
  JAVA_IGNORED,
  javaDockerfile,
  javaReadiness,
  javaSplit,
  type JavaProgram,
  javaVersion,
  onlyMainClass,
  springBootLauncher,
  tomcatVersion,
} from './java.ts'
import { cacheMount, type ProjectFiles, type Proposal, type Unready } from './kind.ts'

const REPOSITORY = cacheMount('/root/.m2/repository')
const COPIES = "! -name 'original-*' ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name '*-tests.jar'"

/** A Maven project: a WAR for Tomcat, or a jar. */
export function findMaven(files: ProjectFiles): Proposal | Unready | null {
  const text = files.texts['pom.xml']?.replace(/<!--[\s\S]*?-->/g, '')
  if (text === undefined) return null
  const packaging = element(text, 'packaging') ?? 'jar'
  const because = `pom.xml, packaging ${packaging}`
  const program = programOf(text, packaging, files)
  if (typeof program === 'string') return { kind: 'maven', because, missing: program }
  const health = healthPath(files)
  const version = javaVersion(versionOf(text))
  const build = [
    `FROM maven:3-eclipse-temurin-${version} AS build`,
    'WORKDIR /src',
    // Settings in .mvn, license headers …: a build may read anything. What it downloads is in the cache mount.
    'COPY . .',
    `RUN ${REPOSITORY} mvn -B -q -DskipTests package \\`,
    ...outputOf(program, text),
  ]
  return {
    kind: 'maven',
    because,
    what: program.form === 'war' ? `Tomcat ${program.tomcat}, Java ${version}` : `Java ${version}, ${program.form}`,
    dockerfile: javaDockerfile(build, program, version, health),
    readiness: javaReadiness(program, health),
    ...javaSplit(program),
    ignore: JAVA_IGNORED,
    notes: [],
  }
}

/** What comes of the build, or why that cannot be said. */
function programOf(pom: string, packaging: string, files: ProjectFiles): JavaProgram | string {
  if (/<modules>/.test(pom)) {
    return 'pom.xml has modules: run naru init in the one that is the service, with its own pom.xml, or write the Dockerfile by hand'
  }
  if (/quarkus-maven-plugin/.test(pom)) {
    return 'Quarkus brings Dockerfiles: build: { dockerfile: src/main/docker/Dockerfile.jvm, run: [mvn, -B, package] } in naru.yaml'
  }
  if (packaging === 'war') return { form: 'war', tomcat: tomcatVersion(pom) }
  if (packaging !== 'jar') return `packaging ${packaging} is no program: war and jar are known`
  if (/spring-boot-maven-plugin/.test(pom)) {
    const parent = /<artifactId>spring-boot-starter-parent<\/artifactId>\s*<version>([^<]+)</.exec(pom)?.[1]
    return { form: 'spring-boot', launcher: springBootLauncher(parent) }
  }
  if (/maven-shade-plugin|jar-with-dependencies/.test(pom)) return { form: 'fat jar' }
  const mainClass = element(pom, 'mainClass') ?? element(pom, 'exec.mainClass') ?? onlyMainClass(files.texts)
  if (mainClass === null || mainClass.includes('$')) {
    return 'the class to start is not known: add <exec.mainClass>com.example.Main</exec.mainClass> to the properties of pom.xml'
  }
  return { form: 'jar', mainClass }
}

/** The rest of the RUN that builds: puts what runs into /out. */
function outputOf(program: JavaProgram, pom: string): readonly string[] {
  const one = /jar-with-dependencies/.test(pom) ? "-name '*-jar-with-dependencies.jar'" : `-name '*.jar' ${COPIES}`
  const find = `"$(find "$PWD/target" -maxdepth 1 ${one})"`
  switch (program.form) {
    case 'war':
      return [' && mkdir -p /out && cd /out && jar -xf /src/target/*.war']
    case 'spring-boot':
      return [` && mkdir -p /out && jar="$(find "$PWD/target" -maxdepth 1 ${one})" && cd /out && jar -xf "$jar"`]
    case 'fat jar':
      return [` && mkdir -p /out && cp ${find} /out/app.jar`]
    default:
      return [
        ` && mkdir -p /out/lib && cp ${find} /out/app.jar \\`,
        ' && mvn -B -q dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=/out/lib',
      ]
  }
}

const versionOf = (pom: string): string | undefined =>
  ['maven.compiler.release', 'java.version', 'release', 'maven.compiler.target', 'target']
    .map((name) => element(pom, name))
    .find((text) => text !== null && /^(1\.)?\d+$/.test(text)) ?? undefined

/** The text of the first element of a name. The POM is no place for a whole XML reader: what is not found is asked for. */
function element(pom: string, name: string): string | null {
  return new RegExp(`<${name.replaceAll('.', '\\.')}>\\s*([^<\\s]+)\\s*</`).exec(pom)?.[1] ?? null
}
