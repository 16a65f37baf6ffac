const FILES = 'OCP\\Files\\Events\\Node\\';
const TRASH = 'OCA\\Files_Trashbin\\Events\\';
const CALENDAR = 'OCP\\Calendar\\Events\\';
const TAGS = 'OCP\\SystemTag\\';

export const FILE_CREATED = `${FILES}NodeCreatedEvent`;
export const FILE_WRITTEN = `${FILES}NodeWrittenEvent`;

/**
 * Event classes that fire and the versions that have them. Nextcloud has no API that lists them: these are those of
 * https://docs.nextcloud.com/server/latest/admin_manual/webhook_listeners/index.html, in the namespaces they really have.
 */
export const eventClasses: Record<string, { label: string; description?: string }> = {
  [FILE_CREATED]: { label: 'File or folder created', description: 'A new file also sends "written"' },
  [FILE_WRITTEN]: { label: 'File written', description: 'New files and overwritten ones' },
  [`${FILES}NodeDeletedEvent`]: { label: 'File or folder deleted', description: 'Without its id' },
  [`${FILES}NodeRenamedEvent`]: { label: 'File or folder renamed or moved', description: 'event.source and event.target' },
  [`${FILES}NodeCopiedEvent`]: { label: 'File or folder copied', description: 'event.source and event.target' },
  [`${FILES}NodeTouchedEvent`]: { label: 'File or folder touched' },
  [`${FILES}BeforeNodeCreatedEvent`]: { label: 'Before a file or folder is created' },
  [`${FILES}BeforeNodeWrittenEvent`]: { label: 'Before a file is written' },
  [`${FILES}BeforeNodeDeletedEvent`]: { label: 'Before a file or folder is deleted', description: 'Still with its id' },
  [`${FILES}BeforeNodeRenamedEvent`]: { label: 'Before a file or folder is renamed or moved' },
  [`${FILES}BeforeNodeCopiedEvent`]: { label: 'Before a file or folder is copied' },
  [`${FILES}BeforeNodeTouchedEvent`]: { label: 'Before a file or folder is touched' },
  [`${FILES}BeforeNodeReadEvent`]: { label: 'Before a file is read', description: 'Very frequent' },
  [`${TRASH}NodeRestoredEvent`]: { label: 'File or folder restored from the trash bin' },
  [`${TRASH}BeforeNodeRestoredEvent`]: { label: 'Before a file or folder is restored from the trash bin' },
  [`${CALENDAR}CalendarObjectCreatedEvent`]: { label: 'Calendar entry created', description: 'Nextcloud 31 and later' },
  [`${CALENDAR}CalendarObjectUpdatedEvent`]: { label: 'Calendar entry changed', description: 'Nextcloud 31 and later' },
  [`${CALENDAR}CalendarObjectDeletedEvent`]: { label: 'Calendar entry deleted', description: 'Nextcloud 31 and later' },
  [`${CALENDAR}CalendarObjectMovedEvent`]: { label: 'Calendar entry moved to another calendar', description: 'Nextcloud 31 and later' },
  [`${CALENDAR}CalendarObjectMovedToTrashEvent`]: { label: 'Calendar entry moved to the trash bin', description: 'Nextcloud 31 and later' },
  [`${CALENDAR}CalendarObjectRestoredEvent`]: { label: 'Calendar entry restored', description: 'Nextcloud 31 and later' },
  [`${TAGS}TagAssignedEvent`]: { label: 'Tag assigned', description: 'Nextcloud 32 and later' },
  [`${TAGS}TagUnassignedEvent`]: { label: 'Tag removed', description: 'Nextcloud 32 and later' },
  'OCA\\Forms\\Events\\FormSubmittedEvent': { label: 'Form submitted', description: 'Needs the app Forms' },
  'OCA\\Tables\\Event\\RowAddedEvent': { label: 'Table row added', description: 'Needs the app Tables' },
  'OCA\\Tables\\Event\\RowUpdatedEvent': { label: 'Table row changed', description: 'Needs the app Tables' },
  'OCA\\Tables\\Event\\RowDeletedEvent': { label: 'Table row deleted', description: 'Needs the app Tables' },
};

/** Where a class that Nextcloud refuses is found under its last name, such as the trash bin's, which its manual places wrongly. */
export function namesake(refused: string): string | undefined {
  const last = (name: string): string => name.slice(name.lastIndexOf('\\') + 1).toLowerCase();
  return Object.keys(eventClasses).find((known) => known !== refused && last(known) === last(refused));
}
