-- AlterTable
ALTER TABLE "trigger" ADD COLUMN     "filter" TEXT,
ADD COLUMN     "mapping" TEXT;

-- AlterTable
ALTER TABLE "run" ADD COLUMN     "input" JSON,
ADD COLUMN     "reason_message" TEXT;
