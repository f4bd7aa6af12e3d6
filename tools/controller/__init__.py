"""The reference controller: a panel of OSDP readers, a switch of EVSEs, an OCPP 2.1 charging station."""
