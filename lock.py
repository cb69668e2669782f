# Updates entries of our packages in package-lock.json, keeping everything else in place.
import json,sys
L=json.load(open('package-lock.json'))
P=L['packages']
def update(path):
    j=json.load(open(path+'/package.json'))
    e=P.get(path)
    keys=['name','version','license','dependencies','devDependencies','engines','peerDependencies','peerDependenciesMeta','optionalDependencies']
    if e is None:
        return {k:j[k] for k in keys if k in j}
    out={}
    for k in e:
        if k in ('dependencies','devDependencies','peerDependencies','peerDependenciesMeta') and k not in j: continue
        out[k]=j[k] if k in keys and k in j else e[k]
    for k in keys:
        if k in j and k not in out: out[k]=j[k]
    return out
def put(key,value,prefix):
    global P
    if key in P: P[key]=value; return
    items=list(P.items()); at=None
    for i,(k,_) in enumerate(items):
        if k.startswith(prefix) and '/' not in k[len(prefix):] and k<key: at=i
        if at is not None and k.startswith(items[at][0]+"/"): at_end=i; at=at
    # after nested entries of the predecessor
    pred=items[at][0]; i=at+1
    while i<len(items) and items[i][0].startswith(pred+"/"): i+=1
    items.insert(i,(key,value)); P=L['packages']=dict(items)
for path in sys.argv[1:]:
    prefix=path.rsplit('/',1)[0]+'/'
    put(path,update(path),prefix)
    n=json.load(open(path+'/package.json'))['name']
    put('node_modules/'+n,{"resolved":path,"link":True},'node_modules/@tessera/')
open('package-lock.json','w').write(json.dumps(L,indent=2,ensure_ascii=False)+"\n")
