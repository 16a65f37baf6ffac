-- AlterTable
ALTER TABLE "trigger" ADD COLUMN     "failing_notice_at" TIMESTAMPTZ(3),
ADD COLUMN     "failing_since" TIMESTAMPTZ(3);

-- What is due, so that looking for it costs what is due and not what exists.
CREATE INDEX "trigger_failing_notice_idx" ON "trigger"("failing_notice_at") WHERE "failing_notice_at" IS NOT NULL;
