-- DropForeignKey
ALTER TABLE "connection" DROP CONSTRAINT "connection_workspace_id_integration_id_fkey";

-- DropIndex
DROP INDEX "connection_integration_id_account_id_key";

-- DropIndex
DROP INDEX "integration_workspace_id_id_key";

-- AlterTable
-- Tokens made before could do all that their role may.
ALTER TABLE "api_token" ADD COLUMN     "created_by" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "scopes" TEXT[] DEFAULT '{write}',
ADD COLUMN     "user_id" TEXT;
ALTER TABLE "api_token" ALTER COLUMN "created_by" DROP DEFAULT, ALTER COLUMN "scopes" DROP DEFAULT;

-- AlterTable
-- Those under way lived for ten minutes anyway, and say too little of who asked.
DELETE FROM "authorisation";
ALTER TABLE "authorisation" ADD COLUMN     "actor_label" TEXT NOT NULL,
ADD COLUMN     "connection_id" TEXT,
ADD COLUMN     "grant_enc" TEXT,
ADD COLUMN     "owner_id" TEXT NOT NULL;

-- AlterTable
-- Connections made before are shared with their workspace. Of those that need authorising nobody was told.
ALTER TABLE "connection" ADD COLUMN     "account_changed_at" TIMESTAMPTZ(3),
ADD COLUMN     "disconnect_at" TIMESTAMPTZ(3),
ADD COLUMN     "disconnect_force" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "disconnect_tries" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "disconnect_triggers" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "name" TEXT,
ADD COLUMN     "notice_due" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "owner_id" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "reason_code" TEXT,
ADD COLUMN     "rejected_before" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "revoke_until" TIMESTAMPTZ(3),
ADD COLUMN     "status_since" TIMESTAMPTZ(3),
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;
UPDATE "connection" SET "status_since" = "updated_at", "notice_due" = ("status" = 'auth_required'),
  "reason_code" = CASE WHEN "status" = 'auth_required' THEN 'dead_grant' END;
ALTER TABLE "connection" ALTER COLUMN "notice_due" DROP DEFAULT, ALTER COLUMN "owner_id" DROP DEFAULT,
  ALTER COLUMN "rejected_before" DROP DEFAULT, ALTER COLUMN "status_since" SET NOT NULL, ALTER COLUMN "version" DROP DEFAULT;

-- AlterTable
ALTER TABLE "idempotency_key" RENAME COLUMN "token_id" TO "actor_id";

-- AlterTable
-- What connections were made with, the service has accepted.
ALTER TABLE "integration" ADD COLUMN     "previous_secret_enc" TEXT,
ADD COLUMN     "secret_changed_at" TIMESTAMPTZ(3),
ADD COLUMN     "secret_state" TEXT,
ALTER COLUMN "workspace_id" DROP NOT NULL;
UPDATE "integration" SET "secret_changed_at" = "updated_at",
  "secret_state" = CASE WHEN EXISTS (SELECT 1 FROM "connection" WHERE "connection"."integration_id" = "integration"."id") THEN 'proven' ELSE 'unproven' END;
ALTER TABLE "integration" ALTER COLUMN "secret_changed_at" SET NOT NULL, ALTER COLUMN "secret_state" SET NOT NULL;

-- AlterTable
ALTER TABLE "subscription" ADD COLUMN     "applied_secret" INTEGER,
ADD COLUMN     "connection_since" TIMESTAMPTZ(3),
ADD COLUMN     "old_secrets_until" TIMESTAMPTZ(3),
ADD COLUMN     "secret_overlap_ms" BIGINT,
ADD COLUMN     "secret_version" INTEGER NOT NULL DEFAULT 1;
UPDATE "subscription" SET "applied_secret" = 1 WHERE "applied" IS NOT NULL;
UPDATE "subscription" s SET "connection_since" = c."status_since" FROM "connection" c
  WHERE c."workspace_id" = s."workspace_id" AND c."id" = s."connection_id" AND s."status" <> 'auth_required';
ALTER TABLE "subscription" ALTER COLUMN "secret_version" DROP DEFAULT;

-- AlterTable
ALTER TABLE "trigger" ADD COLUMN     "old_feed_id" TEXT,
ADD COLUMN     "old_feed_until" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "users" (
    "id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "password_hash" TEXT,
    "superadmin" BOOLEAN NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "disabled_at" TIMESTAMPTZ(3),

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user_identity" (
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "user_identity_pkey" PRIMARY KEY ("issuer","subject")
);

-- CreateTable
CREATE TABLE "membership" (
    "workspace_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "membership_pkey" PRIMARY KEY ("workspace_id","user_id")
);

-- CreateTable
CREATE TABLE "session" (
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "token_hash" TEXT NOT NULL,
    "user_agent" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "invitation" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "token_hash" TEXT NOT NULL,
    "invited_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "accepted_at" TIMESTAMPTZ(3),

    CONSTRAINT "invitation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "password_reset" (
    "token_hash" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "password_reset_pkey" PRIMARY KEY ("token_hash")
);

-- CreateTable
CREATE TABLE "audit_entry" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "actor_kind" TEXT NOT NULL,
    "actor_id" TEXT NOT NULL,
    "actor_label" TEXT NOT NULL,
    "user_id" TEXT,
    "operation" TEXT NOT NULL,
    "target_id" TEXT,
    "input" JSONB,
    "before" JSONB,
    "after" JSONB,
    "outcome" TEXT,
    "status" INTEGER,
    "correlation_id" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "severity" TEXT NOT NULL,
    "dedupe_key" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "link" TEXT,
    "facts" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "read_at" TIMESTAMPTZ(3),

    CONSTRAINT "notification_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification_channel" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "secret_enc" TEXT,
    "enabled" BOOLEAN NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "notification_channel_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification_delivery" (
    "notification_id" TEXT NOT NULL,
    "channel_id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "next_attempt_at" TIMESTAMPTZ(3),
    "lease_until" TIMESTAMPTZ(3),
    "last_error" TEXT,
    "sent_at" TIMESTAMPTZ(3),

    CONSTRAINT "notification_delivery_pkey" PRIMARY KEY ("notification_id","channel_id")
);

-- CreateTable
CREATE TABLE "integration_use" (
    "workspace_id" TEXT NOT NULL,
    "integration_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "integration_use_pkey" PRIMARY KEY ("workspace_id","integration_id")
);

-- Every workspace may use its own integrations.
INSERT INTO "integration_use" ("workspace_id", "integration_id", "created_at") SELECT "workspace_id", "id", "created_at" FROM "integration";

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");

-- CreateIndex
CREATE INDEX "user_identity_user_id_idx" ON "user_identity"("user_id");

-- CreateIndex
CREATE INDEX "membership_user_id_idx" ON "membership"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "session_token_hash_key" ON "session"("token_hash");

-- CreateIndex
CREATE INDEX "session_user_id_idx" ON "session"("user_id");

-- CreateIndex
CREATE INDEX "session_expires_at_idx" ON "session"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "invitation_token_hash_key" ON "invitation"("token_hash");

-- CreateIndex
CREATE INDEX "invitation_workspace_id_id_idx" ON "invitation"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "password_reset_user_id_idx" ON "password_reset"("user_id");

-- CreateIndex
CREATE INDEX "audit_entry_workspace_id_id_idx" ON "audit_entry"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "audit_entry_workspace_id_target_id_id_idx" ON "audit_entry"("workspace_id", "target_id", "id");

-- CreateIndex
CREATE INDEX "audit_entry_workspace_id_actor_id_id_idx" ON "audit_entry"("workspace_id", "actor_id", "id");

-- CreateIndex
CREATE INDEX "audit_entry_workspace_id_user_id_id_idx" ON "audit_entry"("workspace_id", "user_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "notification_workspace_id_dedupe_key_key" ON "notification"("workspace_id", "dedupe_key");

-- CreateIndex
CREATE UNIQUE INDEX "notification_workspace_id_id_key" ON "notification"("workspace_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "notification_channel_workspace_id_id_key" ON "notification_channel"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "integration_use_integration_id_idx" ON "integration_use"("integration_id");

-- CreateIndex
CREATE INDEX "api_token_user_id_idx" ON "api_token"("user_id");

-- CreateIndex
CREATE INDEX "connection_integration_id_idx" ON "connection"("integration_id");

-- CreateIndex
CREATE UNIQUE INDEX "connection_workspace_id_integration_id_account_id_owner_id_key" ON "connection"("workspace_id", "integration_id", "account_id", "owner_id");

-- CreateIndex
CREATE INDEX "integration_workspace_id_id_idx" ON "integration"("workspace_id", "id");

-- AddForeignKey
ALTER TABLE "user_identity" ADD CONSTRAINT "user_identity_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "membership" ADD CONSTRAINT "membership_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "membership" ADD CONSTRAINT "membership_workspace_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspace"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "session" ADD CONSTRAINT "session_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_workspace_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspace"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "notification_delivery" ADD CONSTRAINT "notification_delivery_workspace_id_notification_id_fkey" FOREIGN KEY ("workspace_id", "notification_id") REFERENCES "notification"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "notification_delivery" ADD CONSTRAINT "notification_delivery_workspace_id_channel_id_fkey" FOREIGN KEY ("workspace_id", "channel_id") REFERENCES "notification_channel"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "integration_use" ADD CONSTRAINT "integration_use_integration_id_fkey" FOREIGN KEY ("integration_id") REFERENCES "integration"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "connection" ADD CONSTRAINT "connection_integration_id_fkey" FOREIGN KEY ("integration_id") REFERENCES "integration"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "connection" ADD CONSTRAINT "connection_workspace_id_integration_id_fkey" FOREIGN KEY ("workspace_id", "integration_id") REFERENCES "integration_use"("workspace_id", "integration_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What the schema language cannot say: indexes of what is due, and the words a status may be.
CREATE INDEX "connection_notice_idx" ON "connection"("status_since") WHERE "notice_due";
CREATE INDEX "connection_account_changed_idx" ON "connection"("account_changed_at") WHERE "account_changed_at" IS NOT NULL;
CREATE INDEX "connection_auth_required_idx" ON "connection"("workspace_id", "id") WHERE "status" = 'auth_required';
CREATE INDEX "subscription_auth_required_idx" ON "subscription"("workspace_id", "connection_id") WHERE "status" = 'auth_required';
CREATE INDEX "connection_disconnect_idx" ON "connection"("disconnect_at") WHERE "disconnect_at" IS NOT NULL;
CREATE INDEX "run_held_idx" ON "run"("trigger_id", "event_received_at", "id") WHERE "status" = 'held';
CREATE INDEX "notification_delivery_due_idx" ON "notification_delivery"("next_attempt_at") WHERE "next_attempt_at" IS NOT NULL;
CREATE INDEX "trigger_old_feed_idx" ON "trigger"("old_feed_id") WHERE "old_feed_id" IS NOT NULL;
CREATE INDEX "subscription_old_secrets_idx" ON "subscription"("old_secrets_until") WHERE "old_secrets_until" IS NOT NULL;
CREATE INDEX "audit_entry_at_idx" ON "audit_entry" USING brin ("at");

ALTER TABLE "connection" DROP CONSTRAINT "connection_status_check";
ALTER TABLE "connection" ADD CONSTRAINT "connection_status_check" CHECK ("status" IN ('active', 'auth_required', 'disconnecting'));
ALTER TABLE "integration" ADD CONSTRAINT "integration_secret_state_check" CHECK ("secret_state" IN ('proven', 'unproven', 'refused'));
ALTER TABLE "membership" ADD CONSTRAINT "membership_role_check" CHECK ("role" IN ('admin', 'editor', 'operator'));
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_role_check" CHECK ("role" IN ('admin', 'editor', 'operator'));
ALTER TABLE "notification" ADD CONSTRAINT "notification_severity_check" CHECK ("severity" IN ('info', 'warning', 'critical'));
ALTER TABLE "notification_channel" ADD CONSTRAINT "notification_channel_kind_check" CHECK ("kind" IN ('webhook', 'email'));
ALTER TABLE "notification_delivery" ADD CONSTRAINT "notification_delivery_status_check" CHECK ("status" IN ('pending', 'sent', 'failed'));
