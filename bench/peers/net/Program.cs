using Peers;

if (args is [string peer, string command, ..])
{
    var options = new Options(args);
    switch (peer)
    {
        case "ort" when OrtPeer.Do(command, options):
        case "torch" when TorchPeer.Do(command, options):
            return 0;
    }
}

Console.Error.WriteLine("""
    peers ort|torch COMMAND [options]: one sample, one JSON line
      infer --shape BxS                 one timing sample
      train --shape BxS                 torch: MLM loss, forward, backward, AdamW
      dump  --ids FILE --out FILE       hidden states of lines of ids, padded to one batch, as raw float32
      golden --file full117m.json       torch: MLM loss and gradient norms beside the reference
      real  --ids FILE --rows N --batch B [--sorted]   ort: padded batches of real sequences
      start [--no-prepacking]           ort: first embedding, for timing from outside the process
    ort: --graph KIND; torch: --dtype f32|bf16. Common: --work DIR (default .work), --threads N (2), --seconds S (1)
    """);
return 2;
