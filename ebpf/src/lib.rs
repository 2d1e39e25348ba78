//! The live sensor: CO-RE programs, the record ABI, the hook plan.
