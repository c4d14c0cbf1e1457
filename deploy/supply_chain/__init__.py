"""What the product is made of: are known faults in it (``audit``), and which parts and licences are they (``sbom``)."""
