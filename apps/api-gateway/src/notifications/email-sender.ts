import { isIP } from 'node:net';
import { VaneError } from '@vane/contracts';
import { createTransport, type SMTPTransportOptions, type Transporter } from 'nodemailer';
import { z } from 'zod';
import type { ChannelSender, Destination, Message, SendResult } from './channel-sender.js';

const CONNECT_MS = 10_000;
/** Without a word from the server; one that says a little every now and then is left to `SEND_MS`. */
const SOCKET_MS = 15_000;
/** All of it. Ends well before the lease of a delivery does, after which another process sends the same mail. */
const SEND_MS = 40_000;

export type MailSettings = { url: string; from: string };

const NO_SERVER = 'This installation sends no e-mail: its operator has set no mail server (VANE_API_GATEWAY_SMTP_URL). Use a webhook, or ask the operator.';

/** Sends notifications as plain text by SMTP. Without a mail server it refuses every target. */
export class EmailSender implements ChannelSender {
  private readonly transport: Transporter | undefined;

  constructor(
    private readonly settings: MailSettings | undefined,
    private readonly sendMs = SEND_MS,
  ) {
    this.transport = settings && createTransport(transportOptions(settings.url));
  }

  checkTarget(target: string): void {
    const refuse = (message: string) => new VaneError('invalid_config', message, { fields: [{ path: 'target', message }] });
    if (!this.transport) throw refuse(NO_SERVER);
    if (!z.email().safeParse(target).success) throw refuse('target: A channel of kind email needs one e-mail address.');
  }

  async send(message: Message, { id, target }: Destination): Promise<SendResult> {
    const { transport, settings } = this;
    if (!transport || !settings) return { outcome: 'failed', error: NO_SERVER };
    try {
      await transport.sendMail({
        from: { name: 'Vane', address: settings.from },
        to: { name: '', address: target },
        subject: subjectOf(message),
        text: textOf(message),
        date: message.createdAt,
        // The same in a repeat, so that a mailbox can tell; RFC 5322 section 3.6.4.
        messageId: `<${message.id}.${id}@${settings.from.split('@').at(-1)!}>`,
        // No holiday notices in answer: RFC 3834 section 5.
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Vane-Kind': message.kind },
        signal: AbortSignal.timeout(this.sendMs),
      });
      return { outcome: 'sent' };
    } catch (error) {
      return judge(error as SmtpError);
    }
  }

  close(): void {
    this.transport?.close();
  }
}

/** A password never crosses a network in the clear: with one in a smtp:// URL, the server must offer STARTTLS. */
export function transportOptions(text: string): SMTPTransportOptions {
  const url = new URL(text);
  const loopback = url.hostname === 'localhost' || url.hostname === '[::1]' || (isIP(url.hostname) === 4 && url.hostname.startsWith('127.'));
  return {
    url: text,
    requireTLS: url.protocol === 'smtp:' && url.username !== '' && !loopback,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SOCKET_MS,
    dnsTimeout: CONNECT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

type SmtpError = Error & { code?: string; responseCode?: number };

/** 5xx to this envelope or this content is final (RFC 5321 section 4.2.1); all else may pass, like a refused login. */
function judge({ code, responseCode }: SmtpError): SendResult {
  const said = responseCode === undefined ? (code ?? 'no answer') : String(responseCode);
  if (responseCode !== undefined && responseCode >= 500 && (code === 'EENVELOPE' || code === 'EMESSAGE')) {
    return { outcome: 'refused', error: `The mail server refused this mail (${said}). Check the address.` };
  }
  return { outcome: 'failed', error: `The mail server did not take the mail (${said}).` };
}

const subjectOf = ({ severity, title }: Message): string => `${severity === 'info' ? '' : `[${severity}] `}${oneLine(title)}`;

// eslint-disable-next-line no-control-regex
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029\s]+/g, ' ').trim();

function textOf({ title, text, link, facts }: Message): string {
  const lines = Object.entries(facts as Record<string, unknown>).map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [title, text, lines.join('\n'), link ?? ''].filter((part) => part !== '').join('\n\n') + '\n';
}
