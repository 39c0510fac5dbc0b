import { gradleBase, jreBase, mavenBase, tomcatBase } from '../bases/java.ts'
import { CONNECT, type Project } from '../project.ts'

const pom = (packaging: string, more: string) => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId><artifactId>hello</artifactId><version>1.0</version><packaging>${packaging}</packaging>
  <properties>
    <maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  ${more}
</project>
`
const JAVA_UID = `java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("Uid:")).findFirst().get().split("\\\\s+")[1]`

const HELLO_SERVER = `package com.example;

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Hello {
  public static void main(String[] args) throws Exception {
    org.slf4j.LoggerFactory.getLogger(Hello.class).info("starts");
    var server = HttpServer.create(new InetSocketAddress(Integer.parseInt(System.getenv("PORT"))), 0);
    server.createContext("/", exchange -> {
      var uid = ${JAVA_UID};
      var body = ("hello from " + uid).getBytes();
      exchange.getResponseHeaders().set("Connection", "close");
      exchange.sendResponseHeaders(System.getenv("BROKEN") == null ? 200 : 500, body.length);
      exchange.getResponseBody().write(body);
      exchange.close();
    });
    server.start();
  }
}
`
const HELLO_SERVLET = `package com.example;

import jakarta.servlet.annotation.WebServlet;
import jakarta.servlet.http.*;

@WebServlet("/")
public class HelloServlet extends HttpServlet {
  @Override protected void doGet(HttpServletRequest request, HttpServletResponse response) throws java.io.IOException {
    if (System.getenv("BROKEN") != null) response.setStatus(500);
    response.setHeader("Connection", "close");
    response.getWriter().print("hello from " + ${JAVA_UID});
  }
}
`

export const JAVA_PROJECTS: readonly Project[] = [
  {
    name: 'maven-jar',
    bases: [mavenBase, jreBase],
    readiness: CONNECT,
    files: {
      'pom.xml': pom(
        'jar',
        '<dependencies><dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId><version>2.0.16</version></dependency></dependencies>',
      ),
      'src/main/java/com/example/Hello.java': HELLO_SERVER,
    },
  },
  {
    name: 'maven-war',
    bases: [mavenBase, tomcatBase],
    readiness: null,
    files: {
      'pom.xml': pom(
        'war',
        `<dependencies>
    <dependency><groupId>jakarta.servlet</groupId><artifactId>jakarta.servlet-api</artifactId><version>6.0.0</version><scope>provided</scope></dependency>
  </dependencies>
  <build><plugins><plugin><artifactId>maven-war-plugin</artifactId><version>3.4.0</version>
    <configuration><failOnMissingWebXml>false</failOnMissingWebXml></configuration></plugin></plugins></build>`,
      ),
      'src/main/java/com/example/HelloServlet.java': HELLO_SERVLET,
    },
  },
  {
    name: 'spring-boot',
    bases: [mavenBase, jreBase],
    readiness: '{ path: /actuator/health }',
    files: {
      'pom.xml': `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent>
    <groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId><version>3.4.5</version>
  </parent>
  <groupId>com.example</groupId><artifactId>hello</artifactId><version>1.0</version>
  <properties><java.version>17</java.version></properties>
  <dependencies>
    <dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-web</artifactId></dependency>
    <dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-actuator</artifactId></dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId>
  </plugin></plugins></build>
</project>
`,
      'src/main/java/com/example/Hello.java': `package com.example;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.HealthIndicator;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Hello {
  public static void main(String[] args) {
    SpringApplication.run(Hello.class, args);
  }

  @GetMapping("/")
  ResponseEntity<String> hello() throws Exception {
    var uid = ${JAVA_UID};
    return ResponseEntity.ok().header("Connection", "close").body("hello from " + uid);
  }

  @Bean
  HealthIndicator works() {
    return () -> System.getenv("BROKEN") == null ? Health.up().build() : Health.down().build();
  }
}
`,
    },
  },
  {
    name: 'gradle-jar',
    bases: [gradleBase, jreBase],
    readiness: CONNECT,
    files: {
      'settings.gradle': "rootProject.name = 'hello'\n",
      'build.gradle': `plugins { id 'application' }
repositories { mavenCentral() }
dependencies { implementation 'org.slf4j:slf4j-api:2.0.16' }
sourceCompatibility = 17
mainClassName = 'com.example.Hello'
`,
      'src/main/java/com/example/Hello.java': HELLO_SERVER,
    },
  },
  {
    name: 'gradle-war',
    bases: [gradleBase, tomcatBase],
    readiness: null,
    files: {
      'settings.gradle': "rootProject.name = 'hello'\n",
      'build.gradle': `plugins { id 'war' }
repositories { mavenCentral() }
dependencies { providedCompile 'jakarta.servlet:jakarta.servlet-api:6.0.0' }
sourceCompatibility = 17
`,
      'src/main/java/com/example/HelloServlet.java': HELLO_SERVLET,
    },
  },
]
