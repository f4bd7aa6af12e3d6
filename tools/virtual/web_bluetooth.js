// navigator.bluetooth as far as the wallet uses it, with the virtual station at the other end.
//
// Each operation is one call of `virtualRadio(operation, arguments)`, a function that a test provides, or else a POST to
// the server of this page. Values travel as hexadecimal digits. tools/virtual/web_radio.py answers.

(() => {
  const overHttp = async (operation, given) => {
    const body = JSON.stringify(given);
    const response = await fetch(`virtual/${operation}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    return response.json();
  };

  async function call(operation, given = {}) {
    const answer = await (globalThis.virtualRadio ?? overHttp)(operation, given);
    if (answer.error) throw new DOMException(answer.error, answer.name ?? 'NetworkError');
    return answer;
  }

  const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const fromHex = (text) => new DataView(Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16)).buffer);

  class Characteristic extends EventTarget {
    constructor(gatt, uuid) {
      super();
      Object.assign(this, { gatt, uuid, value: null });
    }

    async readValue() {
      const { value } = await call('read', { connection: this.gatt.connection, uuid: this.uuid });
      return (this.value = fromHex(value));
    }

    async writeValueWithResponse(value) {
      if (value.byteLength > 512) throw new DOMException('over 512 bytes', 'InvalidModificationError');
      await call('write', { connection: this.gatt.connection, uuid: this.uuid, value: toHex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) });
    }

    async startNotifications() {
      this.gatt.listening.set(this.uuid, this);
      await call('subscribe', { connection: this.gatt.connection, uuid: this.uuid });
      return this;
    }
  }

  class Server {
    constructor(device) {
      Object.assign(this, { device, connection: null, listening: new Map() });
    }

    get connected() {
      return this.connection !== null;
    }

    async connect() {
      this.connection = (await call('connect')).connection;
      this.listening.clear();
      this.#follow(this.connection);
      return this;
    }

    /** Asks for what the station sent, again and again, until the connection is gone. */
    async #follow(connection) {
      while (this.connection === connection) {
        const { values, gone } = await call('events', { connection }).catch(() => ({ values: [], gone: true }));
        for (const [uuid, value] of values) {
          const characteristic = this.listening.get(uuid);
          if (this.connection !== connection || !characteristic) continue;
          characteristic.value = fromHex(value);
          characteristic.dispatchEvent(new Event('characteristicvaluechanged'));
        }
        // an answer that did not wait for anything must not keep this page from everything else
        if (!values.length) await new Promise((resolve) => setTimeout(resolve, 5));
        if (gone && this.connection === connection) this.#gone();
      }
    }

    #gone() {
      this.connection = null;
      this.device.dispatchEvent(new Event('gattserverdisconnected'));
    }

    disconnect() {
      if (this.connection === null) return;
      call('disconnect', { connection: this.connection }).catch(() => {});
      this.#gone();
    }

    async getPrimaryService(service) {
      await call('service', { connection: this.connection, uuid: service });
      return { getCharacteristic: async (uuid) => new Characteristic(this, uuid) };
    }
  }

  class Device extends EventTarget {
    constructor(name) {
      super();
      this.name = name;
      this.gatt = new Server(this);
    }
  }

  const bluetooth = {
    virtual: true,
    async requestDevice({ filters }) {
      if (!navigator.userActivation.isActive) throw new DOMException('needs a click', 'SecurityError');
      const { name } = await call('scan', { uuid: filters[0].services[0] });
      return new Device(name);
    },
  };
  Object.defineProperty(Navigator.prototype, 'bluetooth', { get: () => bluetooth, configurable: true });
})();
