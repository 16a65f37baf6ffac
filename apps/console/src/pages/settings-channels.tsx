import { CHANNEL_KINDS } from 'virtual:contracts';
import { useState } from 'react';
import type { ChannelKind, ChannelView } from '@vane/contracts';
import { useAction, useList } from '../api/hooks.js';
import { t } from '../messages.js';
import { SelectInput, TextInput } from '../ui/fields.js';
import { Table } from '../ui/list.js';
import { Button, Card, ConfirmButton, CopyLine, Empty, Note, Problem, Status } from '../ui/parts.js';

const words = t.settings.channels;

export function ChannelsTab() {
  const list = useList('listChannels', { limit: 50 });
  const [kind, setKind] = useState<ChannelKind>('webhook');
  const [target, setTarget] = useState('');
  const create = useAction('createChannel', () => setTarget(''));
  const test = useAction('testChannel');
  return (
    <>
      <Card title={t.settings.tabs.channels} pad={false}>
        <Table label={t.settings.tabs.channels} list={list} keyOf={({ id }) => id} empty={<Empty icon="notifications" title={words.none}>{words.noneHint}</Empty>} columns={[
          { head: words.target, cell: (one) => <b>{one.target}</b> },
          { head: words.kind, cell: (one) => words.kinds[one.kind] },
          { head: t.common.status, cell: (one) => <Status of={one.enabled ? 'enabled' : 'disabled'} /> },
          { head: t.common.actions, cell: (one) => <span className="row"><Button small pending={test.isPending} onPress={() => test.mutate({ channel: one.id })}>{words.test}</Button><ChannelActions channel={one} /></span> },
        ]} />
      </Card>
      <Problem error={test.error} />
      {test.data ? <Note tone={test.data.sent ? 'ok' : 'bad'}><b>{test.data.sent ? words.tested : words.testFailed}</b>{test.data.error ? <span>{test.data.error}</span> : null}</Note> : null}
      <Card title={words.create}>
        <form className="form" onSubmit={(event) => { event.preventDefault(); create.mutate({ kind, target }); }}>
          <div className="form-row">
            <SelectInput label={words.kind} value={kind} choices={CHANNEL_KINDS.map((value) => ({ value, label: words.kinds[value] }))} onChange={(value) => setKind(value as ChannelKind)} />
            <TextInput label={words.target} required value={target} onChange={setTarget} />
          </div>
          <Problem error={create.error} />
          <div className="actions"><Button type="submit" kind="primary" pending={create.isPending}>{t.common.create}</Button></div>
        </form>
        {create.data?.secret ? <Note tone="info"><b>{words.secret}</b><CopyLine label={words.secret} text={create.data.secret} /><span className="small">{t.common.shownOnce}</span></Note> : null}
      </Card>
    </>
  );
}

function ChannelActions({ channel }: { channel: ChannelView }) {
  const update = useAction('updateChannel');
  const remove = useAction('deleteChannel');
  return (
    <>
      <Button small pending={update.isPending} onPress={() => update.mutate({ channel: channel.id, ifMatch: channel.version, enabled: !channel.enabled })}>{channel.enabled ? words.off : words.on}</Button>
      <ConfirmButton small label={t.common.delete} title={words.deleteTitle} confirm={t.common.delete} pending={remove.isPending} error={remove.error} onConfirm={(close) => remove.mutate({ channel: channel.id }, { onSuccess: close })}><p>{words.deleteText}</p></ConfirmButton>
    </>
  );
}
