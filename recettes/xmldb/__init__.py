"""The native XML database: BaseX as a servlet in Jetty, its databases, applications, users and dumps."""
