"""Makes a corpus for the fuzz targets from the recorded traffic: python3 fuzz/seed.py"""
import os,glob,hashlib,json
root=os.path.join(os.path.dirname(__file__), '..', 'tests', 'fixtures')
F={'openai-chat':0,'openai-responses':1,'anthropic':2,'gemini':3}
def w(target,data):
    d=os.path.join(os.path.dirname(__file__), 'corpus', target); os.makedirs(d,exist_ok=True)
    open(f'{d}/{hashlib.sha1(data).hexdigest()[:16]}','wb').write(data)
for name,n in F.items():
    for f in sorted(glob.glob(f'{root}/{name}/requests/*'))[:5]:
        b=open(f,'rb').read()
        if len(b)>6000: continue
        for to in range(4):
            if to!=n: w('request',bytes([n,to])+b)
    for f in sorted(glob.glob(f'{root}/{name}/streams/*.sse'))[:6]:
        b=open(f,'rb').read()
        if len(b)>8000: continue
        ev=b.replace(b'\r\n',b'\n').split(b'\n\n')
        for to in range(4):
            if to!=n: w('answer',bytes([n,to,1|(1<<2)])+b'\xff'.join(e+b'\n' for e in ev if e))
        w('sse',b'\x07'+b)
    for f in sorted(glob.glob(f'{root}/{name}/responses/*'))[:3]:
        b=open(f,'rb').read()
        if len(b)>6000: continue
        for to in range(4):
            if to!=n: w('answer',bytes([n,to,0])+b)
    for f in sorted(glob.glob(f'{root}/{name}/errors/*'))[:3]:
        b=open(f,'rb').read()
        if len(b)<4000: w('relay',bytes([n])+b)
