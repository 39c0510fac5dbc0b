import { existsSync, readdirSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { call } from '../../peers/call.ts'
import { type Base, path } from '../base.ts'
import { copyFolder, copyLibraries } from '../base-root.ts'

const JDK = '/usr/lib/jvm/java-17-openjdk-amd64'
const TOMCAT = '10.1.34'

const missingMaven = () => (existsSync(JDK) && existsSync('/usr/share/maven') ? null : 'JDK 17 and Maven of Debian')

async function java(root: string): Promise<void> {
  await copyFolder(JDK, join(root, 'opt/java/openjdk'), ['src.zip', './jmods', './docs', './man', 'lib/ct.sym.bak'])
  const libraries = readdirSync(join(JDK, 'lib')).filter(
    (name) => name.endsWith('.so') && !/awt|fontmanager|jsound|lcms|jawt/.test(name),
  )
  await copyLibraries(root, [
    join(JDK, 'bin/java'),
    join(JDK, 'lib/server/libjvm.so'),
    ...libraries.map((name) => join(JDK, 'lib', name)),
  ])
}

const JAVA = [path('/opt/java/openjdk/bin'), 'ENV JAVA_HOME=/opt/java/openjdk']

export const mavenBase: Base = {
  name: 'maven:3-eclipse-temurin-17',
  missing: missingMaven,
  async fill(root) {
    await java(root)
    await copyFolder('/usr/share/maven', join(root, 'usr/share/maven'), ['./man'])
    await symlink('/usr/share/maven/bin/mvn', join(root, 'usr/bin/mvn'))
    return [...JAVA, 'ENV MAVEN_HOME=/usr/share/maven']
  },
}

export const jreBase: Base = {
  name: 'eclipse-temurin:17-jre',
  missing: () => (existsSync(JDK) ? null : 'JDK 17 of Debian'),
  async fill(root) {
    await java(root)
    return JAVA
  },
}

/** The real Tomcat, as Maven Central has it. */
export const tomcatBase: Base = {
  name: 'tomcat:10-jre17',
  missing: missingMaven,
  async fill(root) {
    await java(root)
    await mkdir(join(root, 'usr/local'), { recursive: true })
    await call(
      'mvn',
      ['-B', '-q', 'dependency:get', `-Dartifact=org.apache.tomcat:tomcat:${TOMCAT}:tar.gz`, '-Dtransitive=false'],
      { timeoutMs: 240_000 },
    )
    const archive = join(homedir(), `.m2/repository/org/apache/tomcat/tomcat/${TOMCAT}/tomcat-${TOMCAT}.tar.gz`)
    await call('tar', ['-xzf', archive, '-C', join(root, 'usr/local')])
    await call('mv', [join(root, `usr/local/apache-tomcat-${TOMCAT}`), join(root, 'usr/local/tomcat')])
    // The official image keeps the applications that Tomcat brings elsewhere, and its files readable for all.
    await call('rm', ['-rf', join(root, 'usr/local/tomcat/webapps')])
    await mkdir(join(root, 'usr/local/tomcat/webapps'))
    await call('chmod', ['-R', '+rX', join(root, 'usr/local/tomcat')])
    return [
      path('/usr/local/tomcat/bin:/opt/java/openjdk/bin'),
      'ENV JAVA_HOME=/opt/java/openjdk CATALINA_HOME=/usr/local/tomcat',
      'WORKDIR /usr/local/tomcat',
      'CMD ["catalina.sh", "run"]',
    ]
  },
}
