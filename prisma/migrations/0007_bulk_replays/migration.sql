-- CreateTable
CREATE TABLE "replay_job" (
    "id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "trigger_id" TEXT,
    "runnable_id" TEXT,
    "run_statuses" TEXT[],
    "reason" TEXT,
    "received_from" TIMESTAMPTZ(3),
    "received_to" TIMESTAMPTZ(3),
    "event_type" TEXT,
    "run_order" TEXT NOT NULL,
    "rate" INTEGER NOT NULL,
    "apply_filter" BOOLEAN NOT NULL,
    "renormalise" BOOLEAN NOT NULL,
    "total" INTEGER NOT NULL,
    "started" INTEGER NOT NULL,
    "skipped" INTEGER NOT NULL,
    "failed" INTEGER NOT NULL,
    "cursor" TEXT,
    "paced_until" TIMESTAMPTZ(3) NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "lease_owner" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "created_by" TEXT NOT NULL,
    "correlation_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "replay_job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "replay_item" (
    "job_id" TEXT NOT NULL,
    "trigger_id" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "workspace_id" TEXT NOT NULL,
    "run_id" TEXT,
    "code" TEXT,
    "message" TEXT,

    CONSTRAINT "replay_item_pkey" PRIMARY KEY ("job_id","trigger_id","event_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "replay_job_workspace_id_id_key" ON "replay_job"("workspace_id", "id");

-- AddForeignKey
ALTER TABLE "replay_item" ADD CONSTRAINT "replay_item_workspace_id_job_id_fkey" FOREIGN KEY ("workspace_id", "job_id") REFERENCES "replay_job"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What is due, so that looking for it costs what is due and not what exists.
CREATE INDEX "replay_job_due_idx" ON "replay_job"("due_at") WHERE "due_at" IS NOT NULL;

ALTER TABLE "replay_job" ADD CONSTRAINT "replay_job_status_check" CHECK ("status" IN ('running', 'paused', 'done', 'cancelled'));
ALTER TABLE "replay_job" ADD CONSTRAINT "replay_job_order_check" CHECK ("run_order" IN ('oldest_first', 'newest_first'));
