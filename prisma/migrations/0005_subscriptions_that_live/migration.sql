-- AlterTable
ALTER TABLE "subscription" ADD COLUMN     "alarm_at" TIMESTAMPTZ(3),
ADD COLUMN     "aux" JSONB,
ADD COLUMN     "canary_at" TIMESTAMPTZ(3),
ADD COLUMN     "check_at" TIMESTAMPTZ(3),
ADD COLUMN     "checked_at" TIMESTAMPTZ(3),
ADD COLUMN     "drift" JSONB,
ADD COLUMN     "drift_kept" JSONB,
ADD COLUMN     "expires_at" TIMESTAMPTZ(3),
ADD COLUMN     "log_at" TIMESTAMPTZ(3),
ADD COLUMN     "log_read_until" TIMESTAMPTZ(3),
ADD COLUMN     "notice_at" TIMESTAMPTZ(3),
ADD COLUMN     "public_url" TEXT,
ADD COLUMN     "registered_at" TIMESTAMPTZ(3),
ADD COLUMN     "renew_at" TIMESTAMPTZ(3),
ADD COLUMN     "replaces_id" TEXT,
ADD COLUMN     "told_status" TEXT;
-- What was registered before is compared with the service, its log read, and whether what it sends arrives tried, at the next look.
UPDATE "subscription" SET "registered_at" = "created_at", "check_at" = "status_since", "log_at" = "status_since", "canary_at" = "status_since"
  WHERE "external_id" IS NOT NULL AND "status" NOT IN ('removing', 'removed');

-- AlterTable
ALTER TABLE "trigger" ADD COLUMN     "expect_every_seconds" INTEGER,
ADD COLUMN     "on_drift" TEXT NOT NULL DEFAULT 'restore',
ADD COLUMN     "resync" TEXT NOT NULL DEFAULT 'from_now',
ADD COLUMN     "silence_asked_at" TIMESTAMPTZ(3),
ADD COLUMN     "silence_at" TIMESTAMPTZ(3),
ADD COLUMN     "silent_since" TIMESTAMPTZ(3);
UPDATE "trigger" SET "silence_at" = "updated_at" WHERE "status" = 'enabled';
ALTER TABLE "trigger" ALTER COLUMN "on_drift" DROP DEFAULT, ALTER COLUMN "resync" DROP DEFAULT;

-- CreateTable
CREATE TABLE "feed_pull" (
    "feed_id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "cursor" TEXT,
    "replaying" BOOLEAN NOT NULL,
    "replay_cursor" TEXT,
    "replay_since" TIMESTAMPTZ(3),
    "wanted" INTEGER NOT NULL,
    "done" INTEGER NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "lease_owner" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "failures" INTEGER NOT NULL,
    "reason_code" TEXT,
    "reason_message" TEXT,
    "pulled_at" TIMESTAMPTZ(3),
    "gap_from" TIMESTAMPTZ(3),
    "recovered" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "feed_pull_pkey" PRIMARY KEY ("feed_id")
);

-- CreateTable
CREATE TABLE "canary" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "subscription_id" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "heard_at" TIMESTAMPTZ(3),
    "failed_at" TIMESTAMPTZ(3),
    "message" TEXT,

    CONSTRAINT "canary_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sync_request" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "trigger_id" TEXT,
    "connection_id" TEXT,
    "requested_at" TIMESTAMPTZ(3) NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "orphans" JSONB NOT NULL,

    CONSTRAINT "sync_request_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "retention" (
    "workspace_id" TEXT NOT NULL,
    "deliveries_days" INTEGER NOT NULL,
    "events_days" INTEGER NOT NULL,
    "runs_days" INTEGER NOT NULL,
    "version" INTEGER NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "retention_pkey" PRIMARY KEY ("workspace_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "feed_pull_workspace_id_feed_id_key" ON "feed_pull"("workspace_id", "feed_id");

-- CreateIndex
CREATE INDEX "canary_subscription_id_id_idx" ON "canary"("subscription_id", "id");

-- CreateIndex
CREATE INDEX "sync_request_workspace_id_id_idx" ON "sync_request"("workspace_id", "id");

-- AddForeignKey
ALTER TABLE "feed_pull" ADD CONSTRAINT "feed_pull_workspace_id_feed_id_fkey" FOREIGN KEY ("workspace_id", "feed_id") REFERENCES "feed"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "canary" ADD CONSTRAINT "canary_workspace_id_subscription_id_fkey" FOREIGN KEY ("workspace_id", "subscription_id") REFERENCES "subscription"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What is due, so that looking for it costs what is due and not what exists.
CREATE INDEX "subscription_renew_idx" ON "subscription"("renew_at") WHERE "renew_at" IS NOT NULL;
CREATE INDEX "subscription_check_idx" ON "subscription"("check_at") WHERE "check_at" IS NOT NULL;
CREATE INDEX "subscription_log_idx" ON "subscription"("log_at") WHERE "log_at" IS NOT NULL;
CREATE INDEX "subscription_canary_idx" ON "subscription"("canary_at") WHERE "canary_at" IS NOT NULL;
CREATE INDEX "subscription_notice_idx" ON "subscription"("notice_at") WHERE "notice_at" IS NOT NULL;
CREATE INDEX "trigger_silence_idx" ON "trigger"("silence_at") WHERE "silence_at" IS NOT NULL;
CREATE INDEX "sync_request_due_idx" ON "sync_request"("due_at") WHERE "due_at" IS NOT NULL;
CREATE INDEX "feed_pull_due_idx" ON "feed_pull"("due_at") WHERE "due_at" IS NOT NULL;
CREATE INDEX "canary_open_idx" ON "canary"("subscription_id") WHERE "heard_at" IS NULL AND "failed_at" IS NULL;

ALTER TABLE "trigger" ADD CONSTRAINT "trigger_resync_check" CHECK ("resync" IN ('from_now', 'replay_all'));
ALTER TABLE "trigger" ADD CONSTRAINT "trigger_on_drift_check" CHECK ("on_drift" IN ('restore', 'flag'));
