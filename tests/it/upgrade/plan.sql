select ip_from_mask, ip_from_hash, ip_to_mask, ip_to_hash, ip_watermark, device_id_from_mask, device_id_from_hash, device_id_to_mask, device_id_to_hash, device_id_watermark, seal from vault.plan
