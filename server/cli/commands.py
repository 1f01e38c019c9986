"""The commands of `switchboard`, in the order of its help."""

from server.cli import (
    backup,
    create_app,
    create_user,
    demo,
    doctor,
    export_events,
    export_schema,
    list_apps,
    mongod,
    reset_admin_token,
    restore,
    revoke_app,
    rotate_app_token,
    seed,
    serve,
    verify_counts,
)

COMMANDS = (
    serve.COMMAND,
    mongod.COMMAND,
    create_app.COMMAND,
    list_apps.COMMAND,
    rotate_app_token.COMMAND,
    revoke_app.COMMAND,
    reset_admin_token.COMMAND,
    create_user.COMMAND,
    verify_counts.COMMAND,
    doctor.COMMAND,
    backup.COMMAND,
    restore.COMMAND,
    export_events.COMMAND,
    seed.COMMAND,
    demo.COMMAND,
    export_schema.COMMAND,
)
