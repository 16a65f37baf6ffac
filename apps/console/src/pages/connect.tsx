import { useState } from 'react';
import { useAction, useApi } from '../api/hooks.js';
import { useServices } from '../api/lookups.js';
import { t } from '../messages.js';
import { CheckInput, SelectInput } from '../ui/fields.js';
import { Button, ButtonLink, Modal, Note, Problem } from '../ui/parts.js';

/**
 * Opens the service in a window of its own, at once, because browsers keep back what opens later; it is sent on when its
 * address is known. Answers false where the browser keeps it back all the same.
 */
export function openWindow(): { go: (url: string) => void; opened: boolean } {
  const opened = window.open('', 'vane-connect', 'popup,width=640,height=780');
  return { go: (url) => { if (opened) opened.location.href = url; }, opened: opened !== null };
}

/** Chooses with which integration and for what an account is connected, and opens the service. */
export function ConnectDialog({ service, onClose }: { service: string; onClose: () => void }) {
  const integrations = useApi('listIntegrations', { limit: 200 }, { live: false });
  const found = useServices().of(service);
  const mine = (integrations.data?.items ?? []).filter((one) => one.service === service);
  const [integration, setIntegration] = useState('');
  const [type, setType] = useState('');
  const [own, setOwn] = useState(false);
  const [blocked, setBlocked] = useState(false);
  const authorize = useAction('authorizeConnection');
  const chosen = integration || (mine[0]?.id ?? '');
  const start = (): void => {
    const popup = openWindow();
    setBlocked(!popup.opened);
    authorize.mutate({ integration: chosen, private: own, triggerTypes: type ? [type] : (found?.triggerTypes ?? []).map(({ id }) => id) }, { onSuccess: ({ url }) => popup.go(url) });
  };
  return (
    <Modal title={t.integrations.connect} onClose={onClose}>
      {integrations.data && mine.length === 0 ? (
        <Note tone="info"><span>{t.connections.noneHint}</span><div className="actions"><ButtonLink small kind="primary" to={`/integrations/new/${service}`}>{t.integrations.create}</ButtonLink></div></Note>
      ) : (
        <>
          <SelectInput label={t.connections.choose} value={chosen} choices={mine.map(({ id, name }) => ({ value: id, label: name }))} onChange={setIntegration} />
          <SelectInput label={t.connections.chooseType} value={type} empty={t.common.all} choices={(found?.triggerTypes ?? []).map(({ id, label }) => ({ value: id, label }))} onChange={setType} />
          <CheckInput label={t.connections.privateChoice} value={own} onChange={setOwn} />
          <Problem error={authorize.error} />
          {authorize.data ? <Popup url={authorize.data.url} blocked={blocked} /> : null}
          <div className="dialog-foot"><Button onPress={onClose}>{t.common.close}</Button><Button kind="primary" pending={authorize.isPending} onPress={start}>{t.connections.start}</Button></div>
        </>
      )}
    </Modal>
  );
}

export function Popup({ url, blocked }: { url: string; blocked: boolean }) {
  if (!blocked) return <Note tone="info">{t.connections.popup}</Note>;
  return <Note tone="warn"><span>{t.connections.popupBlocked}</span><a href={url} target="_blank" rel="noreferrer">{t.connections.popupOpen}</a></Note>;
}
